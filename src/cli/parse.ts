import yargs from 'yargs';
import { COMMANDS, type Command, nameOf } from './commands.js';
import { didYouMean, type Flags, UsageError } from './options.js';

export type Parsed =
  | { readonly kind: 'help'; readonly text: string }
  | { readonly kind: 'call'; readonly command: Command; readonly flags: Flags; readonly words: readonly string[] };

/** Understands the words of a call. Throws a UsageError that names the nearest valid one. */
export async function parseCall(argv: readonly string[], version: string, columns: number): Promise<Parsed> {
  let called: { command: Command; words: readonly string[] } | null = null;
  const parser = yargs([])
    .scriptName('token-refresher')
    .locale('en')
    .usage('$0 [command]\n\nKeeps the OAuth tokens of MCP servers fresh, and the configs of MCP clients with them.')
    .parserConfiguration({
      'camel-case-expansion': false,
      'dot-notation': false,
      'greedy-arrays': false,
      'parse-numbers': false,
      'parse-positional-numbers': false,
    })
    .wrap(Math.min(columns, 80))
    .version(version)
    .help()
    .exitProcess(false)
    .fail((message, error) => {
      // What yargs itself finds wrong with a call comes as a message, with a YError, a plain Error or none.
      const isUsage = !error || error.name === 'YError' || error.name === 'Error';
      throw isUsage ? new UsageError((message ?? error.message).replace(/\n.*/s, '')) : error;
    });
  // Also before the command: what a flag takes is known there, which commands have it is not.
  const flags = COMMANDS.flatMap((command) => command.flags);
  parser.boolean(flags.filter(({ type }) => type === 'boolean').map(({ name }) => name));
  const valued = flags.filter(({ type }) => type !== 'boolean').map(({ name }) => name);
  const bare = flags.filter((flag) => flag.bare).map(({ name }) => name);
  parser.string(valued).requiresArg(valued.filter((name) => !bare.includes(name)));
  for (const [index, command] of COMMANDS.entries()) {
    parser.command(
      index === 0 ? [command.usage, '$0'] : command.usage,
      command.describe,
      (builder) => {
        for (const { name, type, describe, bare } of command.flags) {
          if (type === 'array') builder.option(name, { describe, type: 'string', array: true, requiresArg: true });
          else if (type === 'string') builder.option(name, { describe, type, requiresArg: bare !== true });
          else builder.option(name, { describe, type });
        }
        return builder.example(...command.example).group(['help', 'version'], 'Other:');
      },
      ({ _, name, server, client }) => {
        const given = command.usage.includes(' ') ? (name ?? server ?? client) : undefined;
        const words = given === undefined ? [] : Array.isArray(given) ? given.map(String) : [String(given)];
        called = { command, words: [...words, ..._.slice(index === 0 ? 0 : 1).map(String)] };
      },
    );
  }
  checkNames(argv);
  checkSwitches(argv);
  let help = '';
  const parsed = await parser.parse([...argv], {}, (_error, _argv, output) => {
    help = output;
  });
  if (help !== '') return { kind: 'help', text: help };
  const { command, words } = called ?? { command: COMMANDS[0] as Command, words: [] };
  return { kind: 'call', command, words: checkedWords(command, words), flags: checkedFlags(command, parsed) };
}

/** yargs looks flags up in plain objects, and so finds there what every object has. */
function checkNames(argv: readonly string[]): void {
  const end = argv.indexOf('--');
  for (const word of end < 0 ? argv : argv.slice(0, end)) {
    const name = /^--?(?:no-)?([^=.]+)/.exec(word)?.[1] ?? '';
    if (name in Object.prototype) throw new UsageError(`there is no flag --${name}`);
  }
}

/** yargs takes `--once=perhaps` for `--once=false`. */
function checkSwitches(argv: readonly string[]): void {
  const switches = COMMANDS.flatMap(({ flags }) =>
    flags.filter(({ type }) => type === 'boolean').map(({ name }) => name),
  );
  for (const word of argv) {
    const [, name = '', value = ''] = /^--(?:no-)?([a-z-]+)=(.*)$/s.exec(word) ?? [];
    if (switches.includes(name) && value !== 'true' && value !== 'false') {
      throw new UsageError(`--${name} takes no value, or true or false; "${value}" is neither`);
    }
  }
}

function checkedWords(command: Command, words: readonly string[]): readonly string[] {
  const most = command.usage.includes('..') ? Number.POSITIVE_INFINITY : command.usage.split(' ').length - 1;
  const name = nameOf(command);
  const named = name !== 'run' || words[0] === 'run';
  const [extra] = words.slice(name === 'run' && named ? 1 : most);
  // `run` also takes whatever is no command, being the one that runs when none is named.
  if (extra !== undefined && !named) {
    throw new UsageError(`there is no command "${extra}"${didYouMean(extra, COMMANDS.map(nameOf))}`);
  }
  if (extra !== undefined) throw new UsageError(`${name} takes no "${extra}"`);
  return words;
}

function checkedFlags(command: Command, parsed: Readonly<Record<string, unknown>>): Flags {
  const known = command.flags.map(({ name }) => name);
  const flags: Record<string, unknown> = {};
  for (const [name, value] of Object.entries(parsed)) {
    const word = ['name', 'server', 'client'].includes(name) && !known.includes(name);
    if (word || ['_', '$0', 'help', 'version'].includes(name) || value === undefined) continue;
    if (!known.includes(name)) {
      const dashes = name.length === 1 ? '-' : '--';
      throw new UsageError(`${nameOf(command)} has no flag ${dashes}${name}${didYouMean(name, known)}`);
    }
    flags[name] = value;
  }
  return flags;
}
