import { apiKeyFile, listen, sameSecret } from './adapters/listen.js';
import { buildApi } from './api/server.js';
import type { App, Served } from './daemon/app.js';
import type { ApiSettings } from './ground/api-settings.js';
import type { Files } from './ports/files.js';

export interface ServeParts {
  readonly app: App;
  readonly files: Files;
  readonly version: string;
  readonly namespace: string;
  /** Whether Redis is connected; null where it is not configured. */
  readonly redis: () => boolean | null;
}

/** Puts the API together and makes it listen; loaded only where one is asked for. */
export async function serve(
  settings: ApiSettings,
  { app, files, version, namespace, redis }: ServeParts,
): Promise<Served> {
  const { server, cycle } = await buildApi({
    app,
    version,
    namespace,
    redis,
    hosts: settings.hosts,
    local: settings.listen.kind === 'unix',
    key: settings.open ? null : await apiKeyFile(files)(),
    same: sameSecret,
  });
  const where = await listen(server, settings.listen, app.settings.root);
  return { where, cycle, close: () => server.close() };
}
