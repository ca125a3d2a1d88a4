import type { ProviderFile, ServerFile, ServerStateFile, WantedTokenFile } from '../ground/file-types.js';
import { formatOf } from '../ground/formats/index.js';
import { readMoment } from '../ground/moment.js';
import { isRecord, type Problem, problem, warning } from '../ground/problem.js';
import type { Provider } from '../ground/provider.js';
import { readProvider } from '../ground/provider.js';
import type { AgentFile } from '../ground/recipe.js';
import { secretOrNull } from '../ground/secret.js';
import { misreadIn, readServer, type Server, trimSlashes } from '../ground/server.js';
import { fileStem, type Token, type Wanted } from '../ground/token.js';
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

export function serverReader(documents: Documents): Reader<Server> {
  return reader<ServerFile, Server>(documents, 'server', (definition, file) => {
    const misread = misreadIn(definition);
    if (misread) return problem(file, misread.pointer, misread.message);
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
