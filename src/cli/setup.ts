import { duration } from '../ground/duration.js';
import { jwtLife } from '../ground/jwt.js';
import { isUnfinished, OnlyOthers, type Pasted, readPasted, tokensIn, type WantedEntry } from '../ground/pasted.js';
import { isRecord } from '../ground/problem.js';
import { foreignText } from '../ground/secret.js';
import { readSeconds } from '../ground/token.js';
import type { Prompt } from '../ports/prompt.js';
import { bring, bringTarget, setupNames, wantedEntry } from '../work/bring.js';
import type { LoginTarget } from '../work/login/target.js';
import type { Context } from './command.js';
import { UsageError } from './options.js';

/** Takes tokens that a person has, mode by mode or server by server, into the files that they belong in. */
export async function setup(context: Context): Promise<number> {
  const { app, flags, terminal } = context;
  const names = namesIn(flags.name);
  if (flags.json === true) return fromInput(context, names);
  const prompt = await app.prompt();
  if (!prompt) {
    throw new UsageError(
      'setup asks on a terminal; without one: token-refresher setup --name NAME --json < tokens.json',
    );
  }
  try {
    const { world } = app.look();
    const targets = (names.length > 0 ? names : setupNames(world, app.publisher.join(world).listings)).map((name) =>
      targetOf(context, name),
    );
    terminal.complain(
      'Paste each token as MCP Inspector shows it: alone, after "Bearer ", or the whole JSON. It is not shown.',
    );
    let written = 0;
    for (const target of targets) {
      const done = await askFor(context, prompt, target);
      if (done === 'given up') {
        terminal.complain(written === 0 ? 'given up; nothing was written' : 'given up; what was written before stays');
        return 1;
      }
      if (done === 'written') written += 1;
    }
    if (written === 0) terminal.complain('nothing was written');
    else sayWhatIsNext(context);
    return 0;
  } finally {
    prompt.close();
  }
}

/** Of those that a store holds. */
const MOST_NAMED = 10;

type Done = 'written' | 'skipped' | 'given up';

async function askFor(context: Context, prompt: Prompt, target: LoginTarget): Promise<Done> {
  const { app, terminal } = context;
  const { file } = target.place(target.provider ?? 'mcp');
  const has = target.token ? `has a token in ${file}` : `would be kept in ${file}`;
  terminal.complain(`\n${target.name}: ${has}`);
  let pasted: Pasted | null = null;
  while (!pasted) {
    const text = await askWhole(prompt, '  access token (Enter or "skip" to leave it as it is): ');
    if (text === null) return 'given up';
    if (text.trim() === '' || text.trim().toLowerCase() === 'skip') return 'skipped';
    const found = readPasted(text, wantedEntry(target, app.settings.registryUrl));
    if (!found) terminal.complain('  that holds no token');
    else if (found instanceof OnlyOthers) terminal.complain(`  ${othersOnly(found, target)}`);
    else pasted = found;
  }
  if (typeof pasted.refresh_token !== 'string') {
    const refresh = await askRefresh(context, prompt, wantedEntry(target, app.settings.registryUrl));
    if (refresh === null) return 'given up';
    if (refresh !== '') pasted = { ...pasted, refresh_token: refresh };
  }
  const access = typeof pasted.access_token === 'string' ? pasted.access_token : '';
  const life = jwtLife(access)?.exp ?? null;
  if (life !== null) terminal.complain(`  it says itself that it ${endsAt(life, app.clock.now())}`);
  else if (pasted.expires_in === undefined && pasted.expires_at === undefined) {
    const text = await askLifetime(context, prompt);
    if (text === null) return 'given up';
    if (text !== '') pasted = { ...pasted, expires_in: Number(text) };
  }
  const tested = await offerTrial(context, prompt, target, access);
  if (tested !== 'keep') return tested;
  return (await keep(context, target, pasted)) ? 'written' : 'skipped';
}

/** A line, or as many as a pasted JSON object has. */
async function askWhole(prompt: Prompt, question: string): Promise<string | null> {
  let text = await prompt.ask(question, true);
  while (text !== null && isUnfinished(text)) {
    const more = await prompt.ask('', true);
    if (more === null) return null;
    if (more.trim() === '' && text.endsWith('\n\n')) return text;
    text += `\n${more}`;
  }
  return text;
}

/** Empty for none. */
async function askRefresh({ terminal }: Context, prompt: Prompt, wanted: WantedEntry): Promise<string | null> {
  for (;;) {
    const text = await askWhole(prompt, '  refresh token (Enter for none): ');
    if (text === null) return null;
    if (text.trim() === '' || text.trim().toLowerCase() === 'skip') return '';
    const found = readPasted(text, wanted);
    const tokens = found instanceof OnlyOthers ? null : found;
    const refresh = tokens?.refresh_token ?? tokens?.access_token;
    if (typeof refresh === 'string') return refresh;
    terminal.complain('  that holds no token');
  }
}

async function askLifetime({ terminal }: Context, prompt: Prompt): Promise<string | null> {
  for (;;) {
    const text = await prompt.ask('  expires in, seconds (Enter if you do not know): ');
    if (text === null || text.trim() === '') return text === null ? null : '';
    if (readSeconds(text) !== null && Number(text) > 0) return text.trim();
    terminal.complain('  that is not a number of seconds, as in 3600');
  }
}

async function offerTrial(
  { app, terminal }: Context,
  prompt: Prompt,
  { server }: LoginTarget,
  access: string,
): Promise<'keep' | 'skipped' | 'given up'> {
  if (!server?.ownUrl || !URL.canParse(server.ownUrl) || access === '') return 'keep';
  const url = new URL(server.ownUrl);
  const wanted = await prompt.ask(`  test it against ${url.host}? [Y/n] `);
  if (wanted === null) return 'given up';
  if (/^\s*n/i.test(wanted)) return 'keep';
  const status = await (await app.trial())(url, access);
  if (typeof status === 'number' && status < 300) {
    terminal.complain('  the server takes it');
    return 'keep';
  }
  const said = typeof status === 'string' ? status : `HTTP ${status}`;
  const refused = status === 401 || status === 403;
  const all = await prompt.ask(
    `  the server ${refused ? 'refuses it' : 'does not say'} (${said}); keep it all the same? [y/N] `,
  );
  if (all === null) return 'given up';
  return /^\s*y/i.test(all) ? 'keep' : 'skipped';
}

async function fromInput(context: Context, names: readonly string[]): Promise<number> {
  const { app, terminal } = context;
  const [name, ...others] = names;
  if (name === undefined || others.length > 0) {
    throw new UsageError(
      'setup --json needs one --name, as in: token-refresher setup --name readonly --json < tokens.json',
    );
  }
  const target = targetOf(context, name);
  const parsed = app.documents.parse(await (await app.readInput())());
  if ('complaint' in parsed || !isRecord(parsed.value)) {
    const { pointer, message } =
      'complaint' in parsed ? parsed.complaint : { pointer: '', message: 'must be a JSON object' };
    terminal.complain(`standard input: ${pointer === '' ? '' : `${pointer}: `}${message}; nothing was written`);
    return 1;
  }
  const pasted = tokensIn(parsed.value, wantedEntry(target, app.settings.registryUrl));
  if (pasted instanceof OnlyOthers) {
    terminal.complain(`standard input: ${othersOnly(pasted, target)}; nothing was written`);
    return 1;
  }
  if (!pasted) {
    terminal.complain(
      'standard input: /access_token: is missing: an object with access_token, refresh_token or both is wanted',
    );
    return 1;
  }
  return (await keep(context, target, pasted)) ? 0 : 1;
}

/** Why none of the tokens that are there is taken. */
function othersOnly({ others }: OnlyOthers, { name }: LoginTarget): string {
  const named = others.slice(0, MOST_NAMED).map((other) => `"${foreignText(other, [], 60)}"`);
  const more = others.length > MOST_NAMED ? `, and ${others.length - MOST_NAMED} more` : '';
  return `holds tokens of ${named.join(', ')}${more}, and nothing says which is for ${name}; give the object with its tokens alone`;
}

/** Writes it down, and says so; or why not. */
async function keep(context: Context, target: LoginTarget, pasted: Pasted): Promise<boolean> {
  const { app, flags, terminal } = context;
  const result = await bring(app, target, pasted);
  if (typeof result === 'string') {
    terminal.complain(`${target.name}: ${result}; nothing was written`);
    return false;
  }
  const { name, file, expiresAt, refreshable } = result;
  if (flags.json === true)
    terminal.print(
      JSON.stringify(
        {
          name,
          file,
          expires_at: expiresAt === null ? null : Math.floor(expiresAt),
          refreshable: refreshable === null,
        },
        null,
        2,
      ),
    );
  else
    terminal.print(
      `${name}: kept in ${file}, ${expiresAt === null ? 'nothing tells when it expires' : endsAt(expiresAt, app.clock.now())}`,
    );
  if (refreshable !== null) terminal.complain(`${file}: it cannot be refreshed: ${refreshable}`);
  app.log.info('SCAN', `${file}: setup has brought ${name}`, { token: name, file });
  return true;
}

function sayWhatIsNext({ app, terminal }: Context): void {
  const running = app.instance.running();
  if (running.state === 'running')
    terminal.complain(`The running instance (PID ${running.pid}) takes them up within a second.`);
  else
    terminal.complain(
      'Next: token-refresher keeps them fresh and renders the configs; start it, or run: token-refresher render',
    );
}

function targetOf({ app }: Context, name: string): LoginTarget {
  const { world } = app.look();
  const target = bringTarget(name, world, app.publisher.join(world).listings);
  if (target) return target;
  throw new UsageError(`--name: "${name}" cannot be a file's name: letters, digits, "_", "-" and "." are wanted`);
}

function namesIn(value: unknown): string[] {
  return Array.isArray(value) ? value.map(String) : value === undefined ? [] : [String(value)];
}

function endsAt(at: number, now: number): string {
  return at > now ? `expires in ${duration(at - now)}` : `expired ${duration(now - at)} ago`;
}
