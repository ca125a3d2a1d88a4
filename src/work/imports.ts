import { type EnvironmentToken, environmentTokens, sameToken } from '../ground/environment-tokens.js';
import type { Token } from '../ground/token.js';
import type { Clock } from '../ports/clock.js';
import type { Digest } from '../ports/digest.js';
import { FileError } from '../ports/files.js';
import type { Log } from '../ports/log.js';
import type { HistoryStore } from '../ports/stores.js';
import type { Keep, NewTokens } from './keep.js';
import type { Loader, World } from './load.js';
import { whyNoPlace } from './login/target.js';
import type { TakeIn } from './take-in.js';

/** What became of the tokens that one provider has in the environment. */
export interface Import {
  readonly name: string;
  readonly file: string;
  /** The environment names they stand under. */
  readonly from: readonly string[];
  readonly outcome: 'imported' | 'already there' | 'left' | 'failed';
  readonly reason: string | null;
}

/** Moves the tokens of the environment into the store: each once, and never over something newer. */
export type Imports = (world: World) => Promise<readonly Import[]>;

/** Everything on disk, with what the environment had for it. */
export type Intake = (now: number) => Promise<World>;

export function createIntake(
  loader: Loader,
  imports: Imports,
  takeIn: TakeIn | null,
  follow: (world: World) => Promise<void>,
): Intake {
  return async (now) => {
    await takeIn?.();
    const world = loader.load(now);
    await follow(world);
    const results = await imports(world);
    return results.some(({ outcome }) => outcome === 'imported') ? loader.load(now) : world;
  };
}

export interface ImportParts {
  readonly keep: Keep;
  readonly histories: HistoryStore;
  readonly digest: Digest;
  readonly clock: Clock;
  readonly log: Log;
}

export function createImports({ keep, histories, digest, clock, log }: ImportParts): Imports {
  /** What was said of each token last. */
  const told = new Map<string, string>();
  /** Most cycles find nothing changed. */
  const known = new WeakMap<World, readonly EnvironmentToken[]>();

  const take = async (found: EnvironmentToken, there: Token | null, world: World): Promise<Import> => {
    const { name, access, refresh, expiresAt, names } = found;
    const file = there?.file ?? found.file;
    const made = (outcome: Import['outcome'], reason: string | null): Import => {
      return { name, file, from: names, outcome, reason };
    };
    if (there && sameToken(there, found)) return made('already there', null);
    const imported = importMark(found, digest);
    if (histories.read(there ?? found).imported === imported) return made('left', 'it was moved or tried once before');
    const refuse = (why: string): Import => {
      if (told.get(name) !== why) log.error('SCAN', `${file}: ${name} is not moved there: ${why}`, { file });
      told.set(name, why);
      return made('failed', why);
    };
    if (found.trouble !== null) return refuse(found.trouble);
    const kept = there && whyKept(there, found, clock.now());
    if (kept) return made('left', kept);

    const unfit = there ? null : whyNoPlace(found, found.provider, world);
    if (unfit !== null) return refuse(unfit);

    const provider = found.at.length === 0 ? { provider: found.provider } : {};
    const fields = { ...provider, token_type: 'Bearer', source: 'env_migration' };
    const tokens: NewTokens = { access, refresh, expiresIn: null, expiresAt, fields, imported };
    const welcome = (now: Token | null): boolean => !now || whyKept(now, found, clock.now()) === null;
    try {
      const place = { name, file, at: there?.at ?? found.at, wanted: null };
      if (!(await keep(place, tokens, welcome))) return made('left', 'another process has just put one there');
    } catch (error) {
      if (!(error instanceof FileError)) throw error;
      return refuse(error.message);
    }
    const instead = there ? ', in the place of an older one' : '';
    log.info('SCAN', `${file}: moved ${name} there from the environment (${names.join(', ')})${instead}`, { file });
    return made('imported', null);
  };

  return async (world) => {
    const results: Import[] = [];
    const inEnvironment = known.get(world) ?? environmentTokens(world.providers.values(), world.environment);
    known.set(world, inEnvironment);
    for (const found of inEnvironment) {
      results.push(await take(found, world.tokens.find(({ name }) => name === found.name) ?? null, world));
    }
    return results;
  };
}

/** What the same tokens in the environment are known again by. */
export function importMark({ access, refresh }: EnvironmentToken, digest: Digest): string {
  return digest(access?.reveal() ?? null, refresh?.reveal() ?? null);
}

/** Why the token that is there is not replaced; null when the one in the environment is newer, or it is of no use. */
function whyKept(there: Token, { expiresAt }: EnvironmentToken, now: number): string | null {
  const { at, lifetime } = there.expiry;
  if (!there.refresh && at !== null && at <= now) return null;
  // Whoever notes when a token was issued keeps it fresh: its refresh token is newer than any that was copied once.
  const kept = there.refresh !== null && lifetime !== null && at !== null && at > now;
  if (!kept && expiresAt !== null && at !== null && expiresAt > at) return null;
  return 'the store has one that is no older';
}
