import type { ProviderFile, ServerFile, ServerStateFile } from '../ground/file-types.js';
import { formatOf } from '../ground/formats/index.js';
import { readMoment } from '../ground/moment.js';
import { isRecord, type Problem, problem, warning } from '../ground/problem.js';
import type { Environment, Provider } from '../ground/provider.js';
import { readProvider } from '../ground/provider.js';
import type { AgentFile } from '../ground/recipe.js';
import { secretOrNull } from '../ground/secret.js';
import { readServer, type Server, trimSlashes } from '../ground/server.js';
import { fileStem, type Token } from '../ground/token.js';
import type { Documents } from '../ports/documents.js';
import type { Files, Listed } from '../ports/files.js';
import { createShelf, type Memory, type Reader } from './shelf.js';

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
  readonly shipped: Files;
  readonly documents: Documents;
  readonly environment: () => Environment;
  /** Why `.env` cannot be read, or null. */
  readonly environmentTrouble: () => string | null;
  /** Names in .oauth-tokens that are outputs, not inputs. */
  readonly outputs: () => ReadonlySet<string>;
  readonly tokenFiles: readonly string[];
  /** What `serverMemory` gave another process. */
  readonly servers?: Memory<Server>;
}

const TOKENS = '.oauth-tokens';
const SERVERS = 'registry/servers';
const PROVIDERS = 'registry/providers';
const SWITCHES = 'server_state.json';

export function createLoader(parts: LoaderParts): Loader {
  const { own, shipped, documents } = parts;
  const tokens = createShelf(own, documents, tokenReader(documents));
  const servers = createShelf(own, documents, serverReader(documents), parts.servers);
  const switches = createShelf(own, documents, switchReader(documents));
  const shippedProviders = createShelf(shipped, documents, providerReader(documents));
  const ownProviders = createShelf(own, documents, providerReader(documents));
  const shelves = [tokens, servers, switches, shippedProviders, ownProviders] as const;
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
      const outputs = parts.outputs();
      const isToken = ({ path }: Listed): boolean => isTokenFile(path, outputs);
      const definitions = own.list([`${SERVERS}/*.json`]).filter(({ path }) => !nameOf(path).startsWith('.'));
      tokens.update(own.list([`${TOKENS}/*.json`, ...parts.tokenFiles]).filter(isToken), now);
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

      const environment = parts.environment();
      const seen = [...shelves.map(({ items }) => items), environment];
      if (before && seen.every((part, index) => part === before?.seen[index])) return before.world;

      const named = withDistinctNames(tokens.items.flatMap(({ value }) => value?.tokens ?? []));
      const previous = new Map(before?.world.tokens.map((token) => [token.name, token]));
      const world: World = {
        tokens: named.tokens.map((token) => stillRenderable(token, previous.get(token.name))),
        agents: new Map(tokens.items.flatMap(({ value }) => (value?.agent ? [value.agent] : []))),
        servers: values(servers),
        switchedOff: new Set(values(switches).flat()),
        providers: new Map(
          [...values(shippedProviders), ...values(ownProviders)].map((provider) => [provider.name, provider]),
        ),
        environment,
        problems: [
          ...environmentProblems(parts.environmentTrouble()),
          ...shelves.flatMap(({ items }) => items.flatMap(({ problems }) => problems)),
          ...named.problems,
        ],
      };
      before = { world, seen };
      return world;
    },
  };
}

function environmentProblems(trouble: string | null): Problem[] {
  return trouble === null ? [] : [problem('.env', '', trouble)];
}

function isTokenFile(path: string, outputs: ReadonlySet<string>): boolean {
  const name = nameOf(path);
  if (!path.startsWith(`${TOKENS}/`)) return true;
  return !name.startsWith('.') && !name.includes('readable') && !outputs.has(name);
}

/** While a token that cannot be rendered is on disk, the one before it goes on being rendered. */
function stillRenderable(token: Token, before: Token | undefined): Token {
  return token.rendered || !before?.rendered ? token : { ...token, rendered: before.rendered };
}

/** Two files may call for one token name; the second is called by its whole file name. */
function withDistinctNames(found: readonly Token[]): { tokens: Token[]; problems: Problem[] } {
  const taken = new Map<string, Token>();
  const problems: Problem[] = [];
  for (const token of found) {
    const first = taken.get(token.name);
    if (!first) {
      taken.set(token.name, token);
      continue;
    }
    const name = fileStem(token.file);
    problems.push(warning(token.file, '', `holds a token of the same name as ${first.file}; it is called "${name}"`));
    if (!taken.has(name)) taken.set(name, { ...token, name });
  }
  return { tokens: [...taken.values()], problems };
}

interface TokenFileContent {
  readonly tokens: readonly Token[];
  readonly agent: readonly [string, AgentFile] | null;
}

function tokenReader(documents: Documents): Reader<TokenFileContent> {
  return (file, document) => {
    if (!isRecord(document)) return { value: null, problems: [notAnObject(file)] };
    const format = formatOf(file, document);
    const checked = check<Record<string, unknown>>(documents, format.schema, file, document);
    if ('problems' in checked) return { value: null, problems: checked.problems };
    const tokens = format.read(file, document);
    const undated = tokens.find(({ fields }) => fields.expires_at !== undefined && !readMoment(fields.expires_at));
    if (undated) return { value: null, problems: [problem(file, pointerTo(undated, 'expires_at'), 'is not a time')] };
    const problems = tokens.flatMap((token) => {
      if (!token.access || token.unrenderable === null) return [];
      return [warning(file, pointerTo(token, 'access_token'), `is not given to clients: ${token.unrenderable}`)];
    });
    return { value: { tokens, agent: tokens.length === 0 ? readAgent(file, document) : null }, problems };
  };
}

function readAgent(file: string, document: Readonly<Record<string, unknown>>): readonly [string, AgentFile] | null {
  if (typeof document.client_id !== 'string') return null;
  const fields: Record<string, string> = {};
  for (const [key, value] of Object.entries(document)) {
    if (typeof value === 'string' && value !== '' && key !== 'client_secret') fields[key] = value;
  }
  return [fileStem(file), { fields, clientSecret: secretOrNull(document.client_secret) }];
}

function serverReader(documents: Documents): Reader<Server> {
  return reader<ServerFile, Server>(documents, 'server', (definition, file) => {
    const server = readServer(file, definition);
    return server ?? problem(file, '/path', 'leaves no letter or digit for a key');
  });
}

function switchReader(documents: Documents): Reader<string[]> {
  return reader<ServerStateFile, string[]>(documents, 'server-state', (state) => {
    const paths = Object.keys(state).filter((path) => state[path] === false);
    return paths.map(trimSlashes);
  });
}

function providerReader(documents: Documents): Reader<Provider> {
  return reader<ProviderFile, Provider>(documents, 'provider', readProvider);
}

/** A reader of documents of one schema. */
function reader<F, T extends object>(
  documents: Documents,
  schema: string,
  read: (document: F, file: string) => T | Problem,
): Reader<T> {
  return (file, document) => {
    const checked = check<F>(documents, schema, file, document);
    if ('problems' in checked) return { value: null, problems: checked.problems };
    const value = read(checked.document, file);
    return 'severity' in value ? { value: null, problems: [value] } : { value, problems: [] };
  };
}

/** The types of files are derived from their schemas: what its schema accepts is of the type. */
function check<F>(
  documents: Documents,
  schema: string,
  file: string,
  document: unknown,
): { readonly document: F } | { readonly problems: readonly Problem[] } {
  if (!isRecord(document)) return { problems: [notAnObject(file)] };
  const problems = documents.validate(schema, document).map(({ pointer, message }) => problem(file, pointer, message));
  return problems.length > 0 ? { problems } : { document: document as F };
}

function notAnObject(file: string): Problem {
  return problem(file, '', 'must be a JSON object');
}

function pointerTo(token: Token, field: string): string {
  return [...token.at, field].map((key) => `/${key.replaceAll('~', '~0').replaceAll('/', '~1')}`).join('');
}

function values<T>(shelf: { readonly items: readonly { readonly value: T | null }[] }): T[] {
  return shelf.items.flatMap(({ value }) => (value === null ? [] : [value]));
}

function nameOf(path: string): string {
  return path.slice(path.lastIndexOf('/') + 1);
}
