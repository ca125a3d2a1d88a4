import type { ProviderFile, ServerFile, ServerStateFile, WantedTokenFile } from '../ground/file-types.js';
import { formatOf } from '../ground/formats/index.js';
import { readMoment } from '../ground/moment.js';
import { isRecord, type Problem, problem, warning } from '../ground/problem.js';
import type { Provider } from '../ground/provider.js';
import { readProvider } from '../ground/provider.js';
import type { AgentFile } from '../ground/recipe.js';
import { secretOrNull } from '../ground/secret.js';
import { misreadIn, readServer, type Server, trimSlashes } from '../ground/server.js';
import { EXPIRY_FIELDS, fileStem, type Token, type Wanted } from '../ground/token.js';
import { readWanted } from '../ground/wanted.js';
import type { Documents } from '../ports/documents.js';
import type { Reader } from './shelf.js';

/** What is in a token file. */
export interface TokenFileContent {
  readonly tokens: readonly Token[];
  readonly agent: readonly [string, AgentFile] | null;
}

export function tokenReader(documents: Documents): Reader<TokenFileContent> {
  return (file, document) => {
    // A list is no token and no agent: other tools of the gateway leave some there.
    if (Array.isArray(document) && !document.some((one) => isRecord(one) && 'access_token' in one))
      return { value: { tokens: [], agent: null }, problems: [] };
    if (!isRecord(document)) return { value: null, problems: [notAnObject(file)] };
    const format = formatOf(file, document);
    const checked = check<Record<string, unknown>>(documents, format.schema, file, document);
    if ('problems' in checked) return { value: null, problems: checked.problems };
    const tokens = format.read(file, document);
    const problems = tokens.flatMap((token) => {
      const undated = EXPIRY_FIELDS.filter((field) => {
        const value = token.fields[field];
        return value !== undefined && !/^0001-01-01/.test(value) && !readMoment(value);
      }).map((field) => warning(file, pointerTo(token, field), 'is not a time; it is left aside'));
      return [...undated, ...unrendered(file, token)];
    });
    const agent = tokens.length === 0 ? readAgent(file, document) : null;
    if (tokens.length === 0 && !agent && Object.keys(document).length > 0 && file.startsWith('.oauth-tokens/')) {
      problems.push(warning(file, '', 'holds no token, and is no agent file; it is left aside'));
    }
    return { value: { tokens, agent }, problems };
  };
}

function unrendered(file: string, token: Token): Problem[] {
  if (!token.access || token.unrenderable === null) return [];
  return [warning(file, pointerTo(token, 'access_token'), `is not given to clients: ${token.unrenderable}`)];
}

function readAgent(file: string, document: Readonly<Record<string, unknown>>): readonly [string, AgentFile] | null {
  if (typeof document.client_id !== 'string') return null;
  const fields: Record<string, string> = {};
  for (const [key, value] of Object.entries(document)) {
    if (typeof value === 'string' && value !== '' && key !== 'client_secret') fields[key] = value;
  }
  return [fileStem(file), { fields, clientSecret: secretOrNull(document.client_secret) }];
}

export function serverReader(documents: Documents): Reader<Server> {
  return reader<ServerFile, Server>(documents, 'server', (definition, file) => {
    const misread = misreadIn(definition);
    const problems = misread.map(({ pointer, message }) => problem(file, pointer, message));
    if (problems.length > 0) return { problems };
    const server = readServer(file, definition);
    return server ?? problem(file, '/path', 'leaves no letter or digit for a key');
  });
}

export function switchReader(documents: Documents): Reader<string[]> {
  return reader<ServerStateFile, string[]>(documents, 'server-state', (state) => {
    const paths = Object.keys(state).filter((path) => state[path] === false);
    return paths.map(trimSlashes);
  });
}

export function providerReader(documents: Documents): Reader<Provider> {
  return reader<ProviderFile, Provider>(documents, 'provider', readProvider);
}

export function wantedReader(documents: Documents): Reader<Wanted> {
  return reader<WantedTokenFile, Wanted>(documents, 'wanted-token', readWanted);
}

/** A reader of documents of one schema. */
function reader<F, T extends object>(
  documents: Documents,
  schema: string,
  read: (document: F, file: string) => T | Problem | { readonly problems: readonly Problem[] },
): Reader<T> {
  return (file, document) => {
    const checked = check<F>(documents, schema, file, document);
    if ('problems' in checked) return { value: null, problems: checked.problems };
    const value = read(checked.document, file);
    if ('problems' in value) return { value: null, problems: value.problems };
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
