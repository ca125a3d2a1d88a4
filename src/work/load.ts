import { type Problem, problem, warning } from '../ground/problem.js';
import type { Environment, Provider } from '../ground/provider.js';
import type { AgentFile } from '../ground/recipe.js';
import type { Server } from '../ground/server.js';
import type { Token, Wanted } from '../ground/token.js';
import { withProviders } from '../ground/token-providers.js';
import { asWanted, notYetThere } from '../ground/wanted.js';
import type { Digest } from '../ports/digest.js';
import type { Documents } from '../ports/documents.js';
import type { Files } from '../ports/files.js';
import type { SpentTokens } from '../ports/stores.js';
import { type Copy, separateCopies } from './copies.js';
import {
  providerReader,
  serverReader,
  switchReader,
  type TokenFileContent,
  tokenReader,
  wantedReader,
} from './readers.js';
import { createShelf, type Memory, type Shelved } from './shelf.js';

/** Everything that is on disk and in the environment, read and checked. */
export interface World {
  readonly tokens: readonly Token[];
  /** By the name of the token they are the credentials of. */
  readonly agents: ReadonlyMap<string, AgentFile>;
  readonly servers: readonly Server[];
  readonly switchedOff: ReadonlySet<string>;
  readonly providers: ReadonlyMap<string, Provider>;
  readonly environment: Environment;
  readonly problems: readonly Problem[];
  /** Names in .oauth-tokens that are outputs. */
  readonly outputs: ReadonlySet<string>;
  /** Token files that hold what another one holds, or held; they count as no token. */
  readonly copies: readonly Copy[];
}

export interface Loader {
  /** Looks at everything. Gives the very same world as before when nothing has changed. */
  load(now: number): World;
  /** When to look again although nothing may announce a change; null for never. */
  readonly lookAgainAt: number | null;
  /** Whether a definition had to be read that was not remembered. */
  readonly hasNews: boolean;
  /** The definitions as they were read, for the next start. */
  serverMemory(): Memory<Server>;
}

export interface LoaderParts {
  readonly own: Files;
  /** Where the token files are, when it is not on this disk. */
  readonly shared: Files | null;
  readonly shipped: Files;
  readonly documents: Documents;
  readonly environment: () => Environment;
  /** What of `.env` cannot be read. */
  readonly environmentProblems: () => readonly Problem[];
  /** Names in .oauth-tokens that are outputs, not inputs. */
  readonly outputs: () => ReadonlySet<string>;
  readonly tokenFiles: readonly string[];
  readonly spentTokens: SpentTokens;
  readonly digest: Digest;
  readonly allowHttp: boolean;
  /** Files with secrets that others may read or write, but for token files and `.env`. */
  readonly exposures: (now: number) => readonly Problem[];
  /** What `serverMemory` gave another process. */
  readonly servers?: Memory<Server>;
}

const TOKENS = '.oauth-tokens';
const SERVERS = 'registry/servers';
const PROVIDERS = 'registry/providers';
const WANTED = 'registry/tokens';
const SWITCHES = 'server_state.json';

export function createLoader(parts: LoaderParts): Loader {
  const { own, shipped, documents } = parts;
  const tokens = createShelf(parts.shared ?? own, documents, tokenReader(documents), { isPrivate: true });
  const servers = createShelf(own, documents, serverReader(documents), { remembered: parts.servers });
  const switches = createShelf(own, documents, switchReader(documents));
  const shippedProviders = createShelf(shipped, documents, providerReader(documents));
  const ownProviders = createShelf(own, documents, providerReader(documents));
  const wanted = createShelf(own, documents, wantedReader(documents));
  const shelves = [tokens, servers, switches, shippedProviders, ownProviders, wanted] as const;
  let before: { readonly world: World; readonly seen: readonly unknown[] } | null = null;

  return {
    get lookAgainAt() {
      const times = shelves.map((shelf) => shelf.lookAgainAt).filter((time) => time !== null);
      return times.length === 0 ? null : Math.min(...times);
    },
    get hasNews() {
      return servers.hasNews;
    },
    serverMemory: () => servers.memory(),
    load(now) {
      const definitions = own.list([`${SERVERS}/*.json`]).filter(({ path }) => !nameOf(path).startsWith('.'));
      const outputs = parts.outputs();
      tokens.update(parts.shared?.list([]) ?? listTokenFiles({ ...parts, outputs: () => outputs }), now);
      servers.update(
        definitions.filter(({ path }) => nameOf(path) !== SWITCHES),
        now,
      );
      switches.update(
        definitions.filter(({ path }) => nameOf(path) === SWITCHES),
        now,
      );
      shippedProviders.update(shipped.list([`${PROVIDERS}/*.json`]), now);
      ownProviders.update(own.list([`${PROVIDERS}/*.json`]), now);

      wanted.update(own.list([`${WANTED}/*.json`]), now);

      const environment = parts.environment();
      const ledger = parts.spentTokens.load();
      const exposed = parts.exposures(now);
      const seen = [...shelves.map(({ items }) => items), environment, ledger.version, exposed];
      if (before && seen.every((part, index) => part === before?.seen[index])) return before.world;

      const asked = withWanted(tokens.items, values(wanted), outputs);
      const named = withDistinctNames(asked.tokens);
      const previous = new Map(before?.world.tokens.map((token) => [token.name, token]));
      const agents = new Map(tokens.items.flatMap(({ value }) => (value?.agent ? [value.agent] : [])));
      const providers = new Map(
        [...values(shippedProviders), ...values(ownProviders)].map((provider) => [provider.name, provider]),
      );
      const sorted = separateCopies(
        withProviders(
          named.tokens.map((token) => stillRenderable(token, previous.get(token.name))),
          { providers: providers.keys(), agents, servers: values(servers) },
        ),
        {
          servers: values(servers),
          ledger,
          digest: parts.digest,
          sourcesOf: (token) => ({
            provider: providers.get(token.provider ?? '') ?? null,
            agent: agents.get(token.name) ?? null,
            environment,
            allowHttp: parts.allowHttp,
          }),
        },
      );
      const world: World = {
        ...sorted,
        agents,
        servers: values(servers),
        switchedOff: new Set(values(switches).flat()),
        providers,
        environment,
        outputs,
        problems: [
          ...parts.environmentProblems(),
          ...exposed,
          ...shelves.flatMap(({ items }) => items.flatMap(({ problems }) => problems)),
          ...asked.problems,
          ...named.problems,
        ],
      };
      before = { world, seen };
      return world;
    },
  };
}

/** Adds to the tokens that there are what the definitions of wanted ones say, and those that are not there yet. */
function withWanted(
  files: readonly Shelved<TokenFileContent>[],
  wanted: readonly Wanted[],
  outputs: ReadonlySet<string>,
): { tokens: Token[]; problems: Problem[] } {
  const byFile = new Map<string, Wanted>();
  const problems: Problem[] = [];
  for (const one of wanted) {
    const first = byFile.get(one.file);
    const taken = first ? `is wanted by ${first.definition} already` : whyTaken(one, files, outputs);
    if (taken === null) byFile.set(one.file, one);
    else problems.push(problem(one.definition, '/name', taken));
  }
  const tokens = files
    .flatMap(({ value }) => value?.tokens ?? [])
    .map((token) => {
      const one = token.at.length === 0 ? byFile.get(token.file) : undefined;
      return one ? asWanted(token, one) : token;
    });
  // A file that cannot be read is for its owner to mend, not for us to replace.
  const there = new Set(files.filter(({ value }) => value?.tokens.length !== 0).map(({ file }) => file));
  for (const one of byFile.values()) if (!there.has(one.file)) tokens.push(notYetThere(one));
  return { tokens, problems };
}

/** The token files on this machine's disk. */
export function listTokenFiles({ own, outputs, tokenFiles }: Pick<LoaderParts, 'own' | 'outputs' | 'tokenFiles'>) {
  const names = outputs();
  return own.list([`${TOKENS}/*.json`, ...tokenFiles]).filter(({ path }) => isTokenFile(path, names));
}

/** Why a wanted token cannot have the file of its name; null when it can. */
function whyTaken(
  { file, fields }: Wanted,
  files: readonly Shelved<TokenFileContent>[],
  outputs: ReadonlySet<string>,
): string | null {
  if (outputs.has(nameOf(file))) return `is the name of an output, ${file}`;
  const there = files.find((one) => one.file === file)?.value?.tokens ?? [];
  const other = there.find(
    (one) =>
      one.at.length > 0 ||
      (one.fields.acquired_for === undefined && one.provider !== null && one.provider !== fields.provider),
  );
  return other ? `is the name of ${file}, which holds a token of ${other.provider}` : null;
}

function isTokenFile(path: string, outputs: ReadonlySet<string>): boolean {
  const name = nameOf(path);
  if (!path.startsWith(`${TOKENS}/`)) return true;
  return !name.startsWith('.') && !name.includes('readable') && !outputs.has(name);
}

/** While a token that cannot be rendered is on disk, the one before it goes on being rendered. */
export function stillRenderable(token: Token, before: Token | undefined): Token {
  return token.rendered || !before?.rendered || token.wanted !== before.wanted
    ? token
    : { ...token, rendered: before.rendered };
}

/** Several files may call for one token name; the first has it, the others are called by more of their paths. */
function withDistinctNames(found: readonly Token[]): { tokens: Token[]; problems: Problem[] } {
  const taken = new Map<string, Token>();
  const problems: Problem[] = [];
  for (const token of found) {
    const first = taken.get(token.name);
    if (!first) {
      taken.set(token.name, token);
      continue;
    }
    const name = otherNames(token).find((one) => !taken.has(one)) ?? token.file;
    problems.push(warning(token.file, '', `holds a token of the same name as ${first.file}; it is called "${name}"`));
    taken.set(name, { ...token, name });
  }
  return { tokens: [...taken.values()], problems };
}

/** From the file's whole name to its whole path. */
function otherNames({ file, name, at }: Token): string[] {
  const parts = file
    .replace(/\.json$/i, '')
    .split('/')
    .filter((part) => part !== '');
  const stems = parts.map((_, index) => parts.slice(parts.length - 1 - index).join('-'));
  return at.length === 0 ? stems : stems.map((stem) => `${stem}:${name.slice(name.indexOf(':') + 1)}`);
}

function values<T>(shelf: { readonly items: readonly { readonly value: T | null }[] }): T[] {
  return shelf.items.flatMap(({ value }) => (value === null ? [] : [value]));
}

function nameOf(path: string): string {
  return path.slice(path.lastIndexOf('/') + 1);
}
