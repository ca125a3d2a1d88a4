import { retryAfterOf, takeGrant } from '../ground/answer.js';
import { environmentTokens, otherInEnvironment } from '../ground/environment-tokens.js';
import type { Failure } from '../ground/failure.js';
import type { Update } from '../ground/formats/format.js';
import { afterCrash, afterFailure, afterSuccess, type History } from '../ground/history.js';
import { type Exchange, failureOf, lifetimeOf, updateOf } from '../ground/outcome.js';
import type { Asker } from '../ground/plan.js';
import { isRecipe, type Recipe } from '../ground/recipe.js';
import type { Secret } from '../ground/secret.js';
import { labelOf, type Token } from '../ground/token.js';
import type { Clock } from '../ports/clock.js';
import type { Digest } from '../ports/digest.js';
import type { TokenEndpoint } from '../ports/endpoint.js';
import { FileError } from '../ports/files.js';
import type { Lock, Locks } from '../ports/locks.js';
import type { Log } from '../ports/log.js';
import type { HistoryStore, TokenReservation, TokenStore } from '../ports/stores.js';
import type { Hosts } from './hosts.js';
import { importMark } from './imports.js';
import type { World } from './load.js';
import { createRefreshLog } from './refresh-log.js';
import { type Surveyed, type Surveyor, spendsOf } from './survey.js';

export type Result =
  | { readonly outcome: 'refreshed' | 'adopted' | 'busy' | 'gone' }
  | { readonly outcome: 'not_due'; readonly reason: string }
  | { readonly outcome: 'failed'; readonly failure: Failure };

/** The steps of a refresh, in order; tests end the process at each. */
export type Step = 'locked' | 'reserved' | 'journaled' | 'answered' | 'saved' | 'recorded';

export interface RefreshParts {
  readonly store: TokenStore;
  readonly histories: HistoryStore;
  readonly endpoint: TokenEndpoint;
  readonly locks: Locks;
  readonly hosts: Hosts;
  readonly survey: Surveyor;
  readonly clock: Clock;
  readonly digest: Digest;
  readonly log: Log;
  readonly reached: (step: Step) => void;
}

/** Refreshes one token under its lock, if that still proves right there. */
export type Refresh = (seen: Token, world: World, asker: Asker, stopped: () => boolean) => Promise<Result>;

/** Longer than the longest request of whoever holds the lock; seconds. */
const LOCK_PATIENCE = 90;
const SAVE_AGAIN_AFTER = 1;

/** What one refresh is about. */
interface Case extends Surveyed {
  readonly recipe: Recipe;
  readonly world: World;
  readonly asker: Asker;
  readonly lock: Lock;
  readonly spent: string;
  /** What is sent in the stored refresh token's place, after the server has refused that one. */
  readonly instead: { readonly refresh: Secret; readonly refusal: Failure } | null;
  /** Whether the program is being stopped: then nothing more is sent. */
  readonly stopped: () => boolean;
}

export function createRefresh(parts: RefreshParts): Refresh {
  const { store, histories, endpoint, locks, hosts, survey, clock, digest, reached } = parts;
  const tell = createRefreshLog(parts.log);

  const underLock = async (
    seen: Token,
    { world, asker, lock, stopped }: Pick<Case, 'world' | 'asker' | 'lock' | 'stopped'>,
  ): Promise<Result> => {
    const token = await store.reread(seen);
    if (!token) return { outcome: 'gone' };
    const changed = token.access?.reveal() !== seen.access?.reveal();
    // Somebody else was faster: what they got is as new as anything this process could ask for.
    if (changed && asker !== 'schedule') return { outcome: 'adopted' };
    const surveyed = survey.one(token, world, clock.now(), asker);
    const { recipe } = surveyed;
    if (!surveyed.plan.refresh || !isRecipe(recipe))
      return changed ? { outcome: 'adopted' } : { outcome: 'not_due', reason: surveyed.plan.reason };
    return attempt({ ...surveyed, recipe, world, asker, lock, stopped, spent: spendsOf(token, digest), instead: null });
  };

  const attempt = async (found: Case): Promise<Result> => {
    const { token, recipe, spent, instead } = found;
    const lost = found.history.pending?.spent === spent;
    if (lost) tell.answerWasLost(token);
    else if (!instead) tell.begins(token, found.plan.reason);
    const history = lost ? afterCrash(found.history, found.subject) : found.history;

    const reservation = await reserve(found);
    if ('code' in reservation) return fail(found, found.history, reservation);
    const exchange = await hosts.limit(recipe.endpoint.host).requests(() => ask(found, history));
    if ('code' in exchange) {
      await reservation.release();
      if (exchange.code === 'not_now') return { outcome: 'not_due', reason: exchange.detail };
      return fail(found, found.history, exchange);
    }
    const now = clock.now();
    reached('answered');
    if (exchange.answer) hosts.measure(recipe.endpoint.host, exchange.answer, now);
    const granted = exchange.answer && takeGrant(exchange.answer);
    // A refresh token that was not replaced goes on being the good one.
    const grant = granted && instead ? { ...granted, refresh: granted.refresh ?? instead.refresh } : granted;
    const update = grant && updateOf(grant, now, hosts.skewOf(recipe.endpoint.host));
    // Kept before anything is said about the answer: this may be the only copy of the token in the world.
    const saved = update && (await saveForSure(token, reservation, update));
    if (!update) await reservation.release();
    reached('saved');

    const failure = failureOf(exchange, grant, token, recipe, now);
    const subject = saved ? survey.one(saved, found.world, now, 'schedule').subject : found.subject;
    if (!failure) return succeed(found, history, subject, update, now);
    if (failure.kind === 'dead' && (await changedOnDisk(found))) {
      await record({ ...history, pending: null });
      return { outcome: 'adopted' };
    }
    if (failure.kind === 'dead' && !instead) {
      const other = fallback(found, history, failure);
      if (other) return attempt(other);
    }
    if (instead) tell.fallbackFailed(token, failure);
    return fail(found, history, instead?.refusal ?? failure, subject);
  };

  /** The same with the refresh token that the environment has, which is tried once; null when it has no other. */
  const fallback = (found: Case, history: History, refusal: Failure): Case | null => {
    const { token, world } = found;
    const other = otherInEnvironment(token, environmentTokens(world.providers.values(), world.environment));
    if (!other?.refresh || other.refresh.reveal() === token.refresh?.reveal()) return null;
    const imported = importMark(other, digest);
    if (history.imported === imported) return null;
    tell.fallsBack(token, refusal, other.names);
    return { ...found, history: { ...history, pending: null, imported }, instead: { refresh: other.refresh, refusal } };
  };

  /** Room for the successor, or why there is none. */
  const reserve = async ({ token }: Case): Promise<TokenReservation | Failure> => {
    try {
      const reservation = await store.reserve(token);
      reached('reserved');
      return reservation;
    } catch (error) {
      return localFailure(error);
    }
  };

  /** A durable note of the attempt, then the request; or why it was not sent. */
  const ask = async (
    { token, recipe, spent, instead, lock, stopped }: Case,
    history: History,
  ): Promise<Exchange | Failure> => {
    // Both may have come about while this one waited for its turn.
    if (stopped()) return { kind: 'local', code: 'not_now', detail: 'the program is being stopped' };
    if (hosts.heldUntil(recipe.endpoint.host, clock.now()) > clock.now()) {
      return { kind: 'local', code: 'not_now', detail: 'its host asked to be left alone until then' };
    }
    try {
      // The store's own refresh token is not the one that a lost answer would have spent.
      await histories.write({ ...history, pending: instead ? null : { spent, at: clock.now() } });
    } catch (error) {
      return localFailure(error);
    }
    reached('journaled');
    if (await lock.isStillHeld()) {
      const exchange = await endpoint.request(recipe, instead?.refresh ?? token.refresh);
      // At once, before the next one in the queue is sent.
      const wait = exchange.answer && retryAfterOf(exchange.answer, clock.now());
      if (wait !== null) hosts.hold(recipe.endpoint.host, clock.now() + wait);
      return exchange;
    }
    const detail = 'this process was away for so long that another one may refresh it; nothing was sent';
    return { kind: 'local', code: 'lock_lost', detail };
  };

  /** Until the disk takes it. The lock is held meanwhile, so that nobody spends the old refresh token. */
  const saveForSure = async (token: Token, reservation: TokenReservation, update: Update): Promise<Token | null> => {
    for (let tries = 0; ; tries += 1) {
      try {
        const saved = await reservation.save(update);
        if (saved !== 'superseded') return saved;
        tell.superseded(token);
        return null;
      } catch (error) {
        if (!(error instanceof FileError)) throw error;
        if (tries === 0) tell.notYetSaved(token, error.message);
        await clock.sleep(SAVE_AGAIN_AFTER);
      }
    }
  };

  const changedOnDisk = async ({ token, spent }: Case): Promise<boolean> => {
    const there = await store.reread(token);
    return there !== null && spendsOf(there, digest) !== spent;
  };

  const succeed = async (
    found: Case,
    history: History,
    subject: string,
    update: Update | null,
    now: number,
  ): Promise<Result> => {
    const { token, asker } = found;
    const person = asker === 'person';
    const since = history.succeededAt === null ? null : now - history.succeededAt;
    const called = person || since === null || (history.lifetime ?? Number.POSITIVE_INFINITY) <= since * 2;
    const lifetime = update && lifetimeOf(update);
    const uncalled = person ? [] : history.uncalled;
    const next = afterSuccess({ ...history, uncalled }, { now, called, subject, lifetime });
    await record(next);
    const successor = update?.grant.refresh;
    if (successor && digest(successor.reveal()) !== found.spent) await parkCopies(found, now);
    reached('recorded');
    tell.succeeded(token, update && update.expiresAt !== null ? update.expiresAt - update.now : null, next.verdict);
    return { outcome: 'refreshed' };
  };

  /** Other files that hold the refresh token that has just been spent: theirs is dead from here on. */
  const parkCopies = async ({ token, world }: Case, now: number): Promise<void> => {
    const spent = token.refresh?.reveal();
    for (const other of world.tokens) {
      if (other.name === token.name || !spent || other.refresh?.reveal() !== spent) continue;
      const { subject, history } = survey.one(other, world, now, 'schedule');
      const detail = `it is a copy of ${labelOf(token)}, whose refresh has spent its refresh token`;
      const verdict = { kind: 'dead', code: 'already_spent', detail, count: 1, retryAt: null, lost: 1 } as const;
      await record({ ...history, subject, verdict });
    }
  };

  const fail = async (found: Case, history: History, failure: Failure, subject = found.subject): Promise<Result> => {
    const { recipe } = found;
    const now = clock.now();
    const usesRefreshToken = recipe.grant === 'refresh_token';
    const circumstances = { now, subject, host: recipe.endpoint.host, usesRefreshToken, random: clock.random() };
    const next = afterFailure(history, failure, circumstances);
    await record(next);
    reached('recorded');
    tell.failed(found.token, next, history.subject === found.subject ? history.verdict : null);
    return { outcome: 'failed', failure };
  };

  const record = async (history: History): Promise<void> => {
    try {
      await histories.note(history);
    } catch (error) {
      if (!(error instanceof FileError)) throw error;
      tell.journalRefused(history.token, error.message);
    }
  };

  return async (seen, world, asker, stopped) => {
    let lock: Lock | null;
    try {
      lock = await locks.acquire(seen, LOCK_PATIENCE);
    } catch (error) {
      if (!(error instanceof FileError)) throw error;
      tell.refused(seen, error.message);
      return { outcome: 'failed', failure: { kind: 'local', code: 'cannot_save', detail: error.message } };
    }
    if (!lock) return { outcome: 'busy' };
    reached('locked');
    try {
      return await underLock(seen, { world, asker, lock, stopped });
    } finally {
      await lock.release();
    }
  };
}

function localFailure(error: unknown): Failure {
  if (!(error instanceof FileError)) throw error;
  return { kind: 'local', code: 'cannot_save', detail: `its file ${error.message}; nothing was sent` };
}
