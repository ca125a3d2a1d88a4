import type { Entry } from './entry.js';
import { REDACTED, Secret } from './secret.js';
import type { Token } from './token.js';

/** A secret and whose it is, for people. */
export interface NamedSecret {
  readonly what: string;
  readonly secret: Secret;
}

/** Shorter ones cannot be told from the words of a path or a name. */
const SHORTEST = 6;

/** Every secret that an output could hold: tokens, and what the environment puts into headers. */
export function secretsOf(tokens: readonly Token[], entries: readonly Entry[]): NamedSecret[] {
  const ofTokens = tokens.flatMap(({ name, access, refresh }) => [
    ...(access ? [{ what: `the access token of ${name}`, secret: access }] : []),
    ...(refresh ? [{ what: `the refresh token of ${name}`, secret: refresh }] : []),
  ]);
  const ofEntries = entries.flatMap((entry) => {
    const values = Object.entries(entry.kind === 'remote' ? entry.headers : entry.env);
    return values.flatMap(([name, value]) =>
      value instanceof Secret ? [{ what: `the ${name} of server ${entry.key}`, secret: bare(value) }] : [],
    );
  });
  return [...ofTokens, ...ofEntries];
}

/** `Bearer` and the like are no secret. */
function bare(value: Secret): Secret {
  return new Secret(value.reveal().replace(/^\w+ /, ''));
}

/** The text without them. */
export function withoutSecrets(text: string, secrets: readonly NamedSecret[]): string {
  return secrets.reduce((left, { secret }) => {
    const value = secret.reveal();
    return value.length < SHORTEST ? left : left.replaceAll(value, REDACTED);
  }, text);
}

/** Whose secrets stand in the text of an output, plain or as JSON writes them. */
export function leaksIn(text: string, secrets: readonly NamedSecret[]): string[] {
  const found = secrets.filter(({ secret }) => {
    const value = secret.reveal();
    return value.length >= SHORTEST && (text.includes(value) || text.includes(JSON.stringify(value).slice(1, -1)));
  });
  return found.map(({ what }) => what);
}
