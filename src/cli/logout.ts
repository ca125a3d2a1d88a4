import { publishedTokens } from '../daemon/publish-tokens.js';
import { DEFAULT_NAMESPACE } from '../ground/board.js';
import { environmentTokens } from '../ground/environment-tokens.js';
import { labelOf, type Token } from '../ground/token.js';
import { FileError } from '../ports/files.js';
import { copyReason } from '../work/copies.js';
import type { World } from '../work/load.js';
import { copiesOf, tokenCalled } from '../work/logout.js';
import type { Context } from './command.js';
import { didYouMean, UsageError } from './options.js';

/** Names that a refusal lists. */
const MOST_NAMES = 50;
/** Seconds that Redis is waited for. */
const PUBLISH_PATIENCE = 5;

/** Takes a token away for good. */
export async function logout(context: Context): Promise<number> {
  const { app, flags, words, terminal } = context;
  const [name = ''] = words;
  const { world } = app.look();
  const { listings } = app.publisher.join(world);
  const token = tokenCalled(name, world, listings);
  if (!token) {
    terminal.complain(
      whyNone(
        name,
        world,
        listings.map(({ key }) => key),
      ),
    );
    return 1;
  }
  if (token.wanted) {
    const { definition } = token.wanted;
    terminal.complain(`${token.name}: ${definition} asks for it, and would bring it back; delete that file first`);
    return 1;
  }
  const removed = [token, ...copiesOf(token, world)];
  const servers = listings.filter(({ tokens }) => tokens.includes(token.name)).map(({ key }) => key);
  const agreed = flags.yes === true || (await ask(context, removed, servers));
  if (!agreed) {
    terminal.complain('nothing was removed');
    return 1;
  }
  try {
    await app.logout(token, world);
  } catch (error) {
    if (!(error instanceof FileError)) throw error;
    terminal.complain(`${token.file}: ${token.name}: ${error.message}`);
    return 1;
  }
  app.log.info('REFRESH', `${token.file}: ${token.name} was taken away by a logout`, {
    token: token.name,
    file: token.file,
  });
  const trouble = await followUp(context);
  if (flags.json === true) {
    const files = removed.map(({ file }) => file);
    terminal.print(JSON.stringify({ name: token.name, files, servers, revoked: false }, null, 2));
  } else terminal.print(`${token.name}: logged out; removed ${removed.map(labelOf).join(', ')}`);
  terminal.complain('It was not revoked at its provider: a copy of it elsewhere is good until it expires.');
  const kept = environmentTokens(world.providers.values(), world.environment).find((one) => one.name === token.name);
  if (kept) terminal.complain(`The environment still has one, which is not used again: ${kept.names.join(', ')}.`);
  for (const line of trouble) terminal.complain(line);
  return trouble.length > 0 ? 1 : 0;
}

function whyNone(name: string, world: World, keys: readonly string[]): string {
  const copy = world.copies.find(({ token }) => token.name === name);
  if (copy) return copyReason(copy);
  if (keys.includes(name)) return `server ${name} has no token of its own`;
  const names = world.tokens.map((token) => token.name).sort();
  if (names.length === 0) return `there is no token "${name}"; there are none here`;
  const rest = names.length > MOST_NAMES ? `, and ${names.length - MOST_NAMES} more` : '';
  const hint = didYouMean(name, [...names, ...keys]);
  return `there is no token or server "${name}"${hint}; there are: ${names.slice(0, MOST_NAMES).join(', ')}${rest}`;
}

async function ask(
  { app, terminal }: Context,
  removed: readonly Token[],
  servers: readonly string[],
): Promise<boolean> {
  const [token] = removed;
  const prompt = await app.prompt();
  if (!prompt) {
    throw new UsageError(`logout asks on a terminal; without one: token-refresher logout ${token?.name} --yes`);
  }
  try {
    const used = servers.length === 0 ? '' : `, which ${servers.join(', ')} cannot be used without`;
    terminal.complain(`${token?.name}: ${removed.map(labelOf).join(', ')}${used}`);
    return /^\s*y/i.test((await prompt.ask('Take it away for good? [y/N] ')) ?? '');
  } finally {
    prompt.close();
  }
}

/** What was made of the token: outputs, and its key in Redis. Gives what is left of it. */
async function followUp({ app }: Context): Promise<readonly string[]> {
  let world = app.loader.load(app.clock.monotonic());
  // A file that has just gone might be on its way back.
  for (let at = app.loader.lookAgainAt; at !== null; at = app.loader.lookAgainAt) {
    await app.clock.sleep(at - app.clock.monotonic() + 0.01);
    world = app.loader.load(app.clock.monotonic());
  }
  const { outputs } = await app.publisher.publish(world);
  const failed = outputs.filter(({ status }) => status === 'failed');
  const lines = failed.map(({ path }) => `${path}: cannot be written; see: token-refresher validate`);
  // A daemon that runs does that itself.
  const publication = app.instance.running() ? null : await app.publication();
  if (!publication) return lines;
  const namespace = app.settings.redis?.namespace ?? DEFAULT_NAMESPACE;
  publication.publish(publishedTokens(app.look().surveyed, namespace, app.clock.now()));
  const unpublished: unknown = await publication.settled(PUBLISH_PATIENCE);
  const away = publication.connected ? unpublished : 'it cannot be reached';
  publication.close();
  if (typeof away !== 'string') return lines;
  return [...lines, `its key in Redis is still there: ${away}; the next start of the daemon takes it away`];
}
