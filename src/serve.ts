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

/** Milliseconds. What was asked for before the end has been done by now, and only its answers are on their way. */
const END_PATIENCE = 2000;

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
  const close = async (): Promise<void> => {
    // Node ends its own limits when a server is closed: half a request would be waited for until the other side tires.
    const impatience = setTimeout(() => server.server.closeAllConnections(), END_PATIENCE);
    await server.close();
    clearTimeout(impatience);
  };
  return { where, cycle, close };
}
