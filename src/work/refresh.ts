import { retryAfterOf, takeGrant } from '../ground/answer.js';
import type { TokenBackup } from '../ground/backup.js';
import { environmentTokens, otherInEnvironment } from '../ground/environment-tokens.js';
import type { Failure } from '../ground/failure.js';
import type { Update } from '../ground/formats/format.js';
import {
  afterCrash,
  afterFailure,
  afterSuccess,
  diedAsking,
  type History,
  unansweredRequest,
} from '../ground/history.js';
import { type Exchange, failureOf, lifetimeOf, refreshEndOf, updateOf } from '../ground/outcome.js';
import type { Asker } from '../ground/plan.js';
import { isRecipe, type Recipe } from '../ground/recipe.js';
import type { Secret } from '../ground/secret.js';
import type { Token } from '../ground/token.js';
import type { Clock } from '../ports/clock.js';
import type { Digest } from '../ports/digest.js';
import type { TokenEndpoint } from '../ports/endpoint.js';
import { FileError } from '../ports/files.js';
import type { Lock, Locks } from '../ports/locks.js';
import type { Log } from '../ports/log.js';
import type { Processes } from '../ports/processes.js';
import type {
  BackupStore,
  HistoryStore,
  Saved,
  SpentToken,
  SpentTokens,
  TokenReservation,
  TokenStore,
} from '../ports/stores.js';
import type { Hosts } from './hosts.js';
import { importMark } from './imports.js';
import type { World } from './load.js';
import { createRefreshLog } from './refresh-log.js';
import { createRequestWatch } from './request-watch.js';
import { hashOf, spendsOf, spentReason, successorOf } from './spent.js';
import type { Surveyed, Surveyor } from './survey.js';

export type Result =
  | { readonly outcome: 'refreshed' | 'adopted' | 'busy' | 'gone' }
  | { readonly outcome: 'not_due'; readonly reason: string }
  | { readonly outcome: 'failed'; readonly failure: Failure };

/** The steps of a refresh, in order; tests end the process at each. */
export type Step = 'locked' | 'reserved' | 'journaled' | 'answered' | 'backed-up' | 'saved' | 'recorded';

export interface RefreshParts {
  readonly store: TokenStore;
  readonly histories: HistoryStore;
  readonly backups: BackupStore;
  readonly spentTokens: SpentTokens;
  readonly processes: Processes;
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
/** How often a save is tried, once its tokens are safe elsewhere or the program is being stopped. */
const SAVES_WHEN_SAFE = 3;
const SAVES_WHEN_STOPPED = 10;

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
  const { store, histories, backups, spentTokens, endpoint, locks, hosts, survey, clock, digest, reached } = parts;
  const tell = createRefreshLog(parts.log);
  const requests = createRequestWatch(parts.processes, clock);

  const underLock = async (
    seen: Token,
    { world, asker, lock, stopped }: Pick<Case, 'world' | 'asker' | 'lock' | 'stopped'>,
  ): Promise<Result> => {
    const there = await store.reread(seen);
    if (!there) return { outcome: 'gone' };
    const token = await restored(there);
    if ('outcome' in token) return token;
    const changed = token.access?.reveal() !== seen.access?.reveal();
    // Somebody else was faster: what they got is as new as anything this process could ask for.
    if (changed && asker !== 'schedule') return { outcome: 'adopted' };
    const surveyed = survey.one(token, world, clock.now(), asker);
    const { recipe } = surveyed;
    if (!surveyed.plan.refresh || !isRecipe(recipe))
      return changed ? { outcome: 'adopted' } : { outcome: 'not_due', reason: surveyed.plan.reason };
    return attempt({ ...surveyed, recipe, world, asker, lock, stopped, spent: spendsOf(token, digest), instead: null });
  };

  /** The token as it is, or its successor where a spent one stands in its place. */
  const restored = async (token: Token): Promise<Token | Result> => {
    const ledger = spentTokens.load();
    const spent = token.refresh && (ledger.find(spendsOf(token, digest), token) ?? replacedByBackup(token));
    if (!spent) return token;
    const backup = successorOf(token, { backups, ledger, digest });
    if (!backup) return { outcome: 'not_due', reason: spentReason(spent) };
    try {
      const saved = await store.restore(token, backup.update);
      if (saved === 'away') return { outcome: 'gone' };
      if (saved === 'superseded') return { outcome: 'adopted' };
      tell.restored(token, spent.at);
      await settle(() => backups.note({ ...backup, saved: true }), token);
      await settle(() => spentTokens.add(spent), token);
      return saved;
    } catch (error) {
      if (!(error instanceof FileError)) throw error;
      const failure = { kind: 'local', code: 'cannot_save', detail: `its file ${error.message}` } as const;
      tell.refused(token, failure.detail);
      return { outcome: 'failed', failure };
    }
  };

  /** That a token is spent, as its successor tells: a process may have died between keeping that and noting this. */
  const replacedByBackup = (token: Token): SpentToken | null => {
    const hash = spendsOf(token, digest);
    const backup = backups.read(token);
    return backup?.replaced === hash ? { hash, at: backup.update.now, token: backup.name, file: backup.file } : null;
  };

  const attempt = async (found: Case): Promise<Result> => {
    const { token, recipe, spent, instead } = found;
    const request = unansweredRequest(found.history, spent);
    if (request && !(await requests.mayRepeat(request, found.stopped))) {
      return { outcome: 'not_due', reason: 'another process may still get the answer to its request' };
    }
    const lost = diedAsking(found.history, request);
    if (request) tell.answerWasLost(token);
    else if (!instead) tell.begins(token, found.plan.reason);
    const history = lost ? afterCrash(found.history, found.subject) : found.history;

    const reservation = await reserve(found);
    if ('code' in reservation) return fail(found, found.history, reservation);
    const pending = instead ? null : { spent, at: clock.now(), owner: parts.processes.self };
    const asked: History = { ...history, pending };
    const exchange = await hosts.limit(recipe.endpoint.host).requests(() => ask(found, asked));
    if ('code' in exchange) {
      await reservation.release();
      if (exchange.code === 'not_now') return { outcome: 'not_due', reason: exchange.detail };
      return fail(found, found.history, exchange);
    }
    return take(found, asked, exchange, reservation);
  };

  /** What came back: its tokens are kept before anything is said about it. */
  const take = async (
    found: Case,
    history: History,
    exchange: Exchange,
    reservation: TokenReservation,
  ): Promise<Result> => {
    const { token, recipe, instead } = found;
    const now = clock.now();
    reached('answered');
    if (exchange.answer) hosts.measure(recipe.endpoint.host, exchange.answer, now);
    const granted = exchange.answer && takeGrant(exchange.answer);
    // A refresh token that was not replaced goes on being the good one.
    const grant = granted && instead ? { ...granted, refresh: granted.refresh ?? instead.refresh } : granted;
    const update = grant && updateOf(grant, now, hosts.skewOf(recipe.endpoint.host));
    // This may be the only copy of the tokens in the world.
    const saved = update && (await keepForSure(found, reservation, update));
    reached('saved');
    if (saved === 'superseded') {
      tell.superseded(token);
      await record({ ...history, pending: null });
      return { outcome: 'adopted' };
    }
    if (saved === 'away') return fail(found, { ...history, pending: null }, NOT_SAVED);
    if (!saved) await reservation.release();

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
    if (history.imported === imported || isSpent(other.refresh, token)) return null;
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
    { token, recipe, instead, lock, stopped }: Case,
    history: History,
  ): Promise<Exchange | Failure> => {
    // Both may have come about while this one waited for its turn.
    if (stopped()) return { kind: 'local', code: 'not_now', detail: 'the program is being stopped' };
    if (hosts.heldUntil(recipe.endpoint.host, clock.now()) > clock.now()) {
      return { kind: 'local', code: 'not_now', detail: 'its host asked to be left alone until then' };
    }
    try {
      await histories.write(history);
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

  /**
   * Puts the new tokens in a safe place, and then into their own. Where nothing can hold them they are held in memory
   * and tried again, under the lock, so that nobody spends the old refresh token meanwhile.
   */
  const keepForSure = async (found: Case, reservation: TokenReservation, update: Update): Promise<Saved> => {
    const { token, recipe, instead, stopped } = found;
    const sent = recipe.grant === 'refresh_token' ? (instead?.refresh ?? token.refresh) : null;
    const rotated = sent && update.grant.refresh && update.grant.refresh.reveal() !== sent.reveal() ? sent : null;
    const replaced = rotated && hashOf(rotated, digest);
    const backup = { name: token.name, file: token.file, at: token.at, update, replaced, saved: false };
    let isSafe = await backUp(backup);
    for (let tries = 1; ; tries += 1) {
      const saved = await reservation.save(update).catch((error: unknown) => {
        if (!(error instanceof FileError)) throw error;
        return error;
      });
      if (!(saved instanceof FileError) && saved !== 'away') {
        if (isSafe && saved !== 'superseded') await settle(() => backups.note({ ...backup, saved: true }), token);
        return saved;
      }
      const enough = isSafe ? SAVES_WHEN_SAFE : stopped() ? SAVES_WHEN_STOPPED : Number.POSITIVE_INFINITY;
      if (tries >= enough) return 'away';
      if (tries === 1) tell.notYetSaved(token, saved === 'away' ? 'its place is gone' : saved.message);
      await clock.sleep(SAVE_AGAIN_AFTER);
      if (!isSafe) isSafe = await backUp(backup);
    }
  };

  /**
   * Whether the tokens are safe, in the root or elsewhere. That what was sent is spent is noted after that: whoever looks
   * in between must not find a spent token without a successor, which would call for a login.
   */
  const backUp = async (backup: TokenBackup): Promise<boolean> => {
    const { name: token, file, replaced: hash } = backup;
    // The token that was sent is still good, and whoever lost an answer asks again.
    if (hash === null) return false;
    const isSafe = await settle(() => backups.write(backup), backup);
    reached('backed-up');
    await settle(() => spentTokens.add({ hash, at: clock.now(), token, file }), backup);
    return isSafe;
  };

  /** Whether it could be done; it is there to be found out again. */
  const settle = async (work: () => Promise<void>, { name }: { readonly name: string }): Promise<boolean> => {
    try {
      await work();
      return true;
    } catch (error) {
      if (!(error instanceof FileError)) throw error;
      tell.journalRefused(name, error.message);
      return false;
    }
  };

  const isSpent = (refresh: Secret, holder: Token): boolean =>
    spentTokens.load().find(hashOf(refresh, digest), holder) !== null;

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
    const refreshEndsAt = update && refreshEndOf(update);
    const next = afterSuccess({ ...history, uncalled }, { now, called, subject, lifetime, refreshEndsAt });
    await record(next);
    reached('recorded');
    tell.succeeded(token, update && update.expiresAt !== null ? update.expiresAt - update.now : null, next.verdict);
    return { outcome: 'refreshed' };
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

const NOT_SAVED: Failure = {
  kind: 'local',
  code: 'not_saved',
  detail: 'its new token could not be put in its place; it is kept, and put there as soon as that is possible',
};

function localFailure(error: unknown): Failure {
  if (!(error instanceof FileError)) throw error;
  return { kind: 'local', code: 'cannot_save', detail: `its file ${error.message}; nothing was sent` };
}
