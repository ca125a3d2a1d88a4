import { duration } from '../ground/duration.js';
import { isLoopback } from '../ground/recipe.js';
import { foreignText } from '../ground/secret.js';
import { LoginError } from '../work/login/authorization.js';
import { loginNames, loginTarget } from '../work/login/target.js';
import type { Context } from './command.js';
import { didYouMean, type Flags, UsageError } from './options.js';

/** Gets a token by a person's login, and keeps it where its server finds it. */
export async function login({ app, flags, words, terminal, signal }: Context): Promise<number> {
  const [name = ''] = words;
  const { world } = app.look();
  const { listings } = app.publisher.join(world);
  const target = loginTarget(name, world, listings);
  if (!target) {
    throw new UsageError(
      `there is no server, token or provider "${name}"${didYouMean(name, loginNames(world, listings))}`,
    );
  }
  const run = await app.login();
  try {
    const result = await run({
      target,
      world,
      device: flags.device === true,
      scope: textOf(flags, 'scope'),
      redirectUri: redirectOf(flags),
      openBrowser: flags.browser !== false,
      allowHttp: app.settings.allowHttp,
      signal,
      tell: terminal.complain,
    });
    const { file, expiresIn, renewable, trouble } = result;
    const life = expiresIn === null ? 'nothing tells when it expires' : `expires in ${duration(expiresIn)}`;
    if (flags.json === true) {
      terminal.print(JSON.stringify({ name: result.name, file, expires_in: expiresIn, renewable }, null, 2));
    } else terminal.print(`${result.name}: logged in; kept in ${file}, ${life}`);
    app.log.info('REFRESH', `${file}: a login has brought ${result.name}, ${life}`, { token: result.name, file });
    if (trouble !== null) {
      terminal.complain(`${file}: it is not given to clients: ${trouble}`);
      return 1;
    }
    if (!renewable) terminal.complain('It came without a refresh token: when it has expired, log in again.');
    else if (app.instance.running().state === 'none')
      terminal.complain('Nothing keeps it fresh yet: start token-refresher.');
    return 0;
  } catch (error) {
    if (!(error instanceof LoginError)) throw error;
    // Issuers and endpoints are named by servers, which may draw on the terminal with them.
    terminal.complain(`${name}: ${foreignText(error.message, [], LONGEST)}; nothing was written`);
    return 1;
  }
}

/** Characters of a reason. */
const LONGEST = 1000;

function textOf(flags: Flags, name: string): string | null {
  const value = flags[name];
  const last: unknown = Array.isArray(value) ? value.at(-1) : value;
  return last === undefined ? null : String(last);
}

function redirectOf(flags: Flags): string | null {
  const value = textOf(flags, 'redirect-uri');
  if (value === null) return null;
  const url = URL.canParse(value) ? new URL(value) : null;
  if (url?.protocol === 'http:' && isLoopback(url.hostname) && url.port !== '') return value;
  throw new UsageError(
    `--redirect-uri: "${value}" is not an address of this machine with a port, as in http://localhost:8080/callback`,
  );
}
