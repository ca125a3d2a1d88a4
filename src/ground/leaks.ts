import type { Entry } from './entry.js';
import { isRecord } from './problem.js';
import { type Redactor, redactorOf, Secret } from './secret.js';
import {
  isSupposedAddress,
  isSupposedHeader,
  isSupposedVariable,
  looksSecret,
  secretsInAddress,
  supposedArguments,
} from './supposed.js';
import type { Token } from './token.js';

/** A secret and whose it is, for people. */
export interface NamedSecret {
  readonly what: string;
  readonly secret: Secret;
}

/** Shorter ones cannot be told from the words of a path or a name. */
const SHORTEST = 6;

/** Every secret that an output could hold: tokens, and what definitions and the environment put into entries. */
export function secretsOf(tokens: readonly Token[], entries: readonly Entry[]): NamedSecret[] {
  const ofTokens = tokens.flatMap(({ name, access, refresh, clientSecret }) => [
    ...(access ? [{ what: `the access token of ${name}`, secret: access }] : []),
    ...(refresh ? [{ what: `the refresh token of ${name}`, secret: refresh }] : []),
    ...(clientSecret ? [{ what: `the client secret of ${name}`, secret: clientSecret }] : []),
  ]);
  return [...ofTokens, ...entries.flatMap(secretsOfEntry)];
}

function secretsOfEntry(entry: Entry): NamedSecret[] {
  const values = Object.entries(entry.kind === 'remote' ? entry.headers : entry.env);
  const named = values.flatMap(([name, value]) =>
    value instanceof Secret ? [{ what: `the ${name} of server ${entry.key}`, secret: bare(value) }] : [],
  );
  const others =
    entry.kind === 'remote'
      ? secretsInAddress(entry.url).map((text) => ({
          what: `a secret in the address of server ${entry.key}`,
          secret: new Secret(text),
        }))
      : entry.args.flatMap((word) =>
          word instanceof Secret ? [{ what: `a secret among the args of server ${entry.key}`, secret: word }] : [],
        );
  return [...named, ...others];
}

/** `Bearer` and the like are no secret. */
function bare(value: Secret): Secret {
  return new Secret(value.reveal().replace(/^\w+ /, ''));
}

/** What takes all of them out of the texts of others. */
export function redactorOfNamed(secrets: readonly NamedSecret[]): Redactor {
  return redactorOf(secrets.map(({ secret }) => secret));
}

/** A secret in an output: where, and whose. */
export interface Leak {
  /** JSON pointer (RFC 6901). */
  readonly pointer: string;
  readonly what: string;
}

/** Secrets that an output holds: those that are known, however they are written, and what looks like one. */
export interface LeakFinder {
  /** `own`: what of it is no secret, whatever it looks like: this program's own paths, and the names of servers. */
  in(document: unknown, own: readonly string[]): Leak[];
}

export function leakFinder(secrets: readonly NamedSecret[]): LeakFinder {
  const long = secrets.filter(({ secret }) => secret.reveal().length >= SHORTEST);
  const { finds } = redactorOfNamed(long);
  const knownIn = (text: string): string[] => {
    if (!finds(text)) return [];
    const whose = long.filter(({ secret }) => redactorOf([secret]).finds(text)).map(({ what }) => what);
    return [...new Set(whose)];
  };
  return {
    in(document, own) {
      const words = [...own].filter((word) => word.length > 2).sort((a, b) => b.length - a.length);
      const found: Leak[] = [];
      for (const { text, pointer, looks } of textsIn(document, words)) {
        const known = knownIn(text);
        if (known.length > 0) found.push(...known.map((what) => ({ pointer, what })));
        else if (looks) found.push({ pointer, what: 'what looks like a secret' });
      }
      return found;
    },
  };
}

interface Found {
  readonly text: string;
  readonly pointer: string;
  /** Whether it looks like a secret, for what it is. */
  readonly looks: boolean;
}

function* textsIn(document: unknown, own: readonly string[], path: readonly string[] = []): Generator<Found> {
  const without = (text: string): string => own.reduce((left, word) => left.replaceAll(word, ''), text);
  if (typeof document === 'string') {
    yield { text: document, pointer: pointerOf(path), looks: looksLikeOne(without(document), document, path) };
  } else if (Array.isArray(document)) {
    const looks = document.every((item) => typeof item === 'string') ? supposedArguments(document.map(without)) : [];
    for (const [index, item] of document.entries()) {
      const at = [...path, String(index)];
      if (typeof item === 'string') yield { text: item, pointer: pointerOf(at), looks: looks[index] === true };
      else yield* textsIn(item, own, at);
    }
  } else if (isRecord(document)) {
    for (const [name, value] of Object.entries(document)) {
      yield { text: name, pointer: pointerOf([...path, name]), looks: false };
      yield* textsIn(value, own, [...path, name]);
    }
  }
}

/** What follows the name of the map that it stands in. */
function looksLikeOne(rest: string, text: string, path: readonly string[]): boolean {
  const name = path.at(-1) ?? '';
  const map = path.at(-2) ?? '';
  if (/^https?:/i.test(text)) return isSupposedAddress(text);
  if (/headers$/i.test(map)) return isSupposedHeader(name, text);
  if (/^env(?:ironment)?$/i.test(map)) return isSupposedVariable(name, text);
  return looksSecret(rest);
}

function pointerOf(path: readonly string[]): string {
  return path.map((key) => `/${key.replaceAll('~', '~0').replaceAll('/', '~1')}`).join('');
}
