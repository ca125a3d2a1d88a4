import type { Failure } from './failure.js';

/**
 * What is remembered of one token between processes: the attempt that is under way and what came of those
 * before. Holds hashes and times, nothing secret. All times are epoch seconds.
 */
export interface History {
  /** The token's name when this was written; the place it is kept at is what it is known by. */
  readonly token: string;
  readonly file: string;
  readonly at: readonly string[];
  /** Refreshes saved so far. */
  readonly generation: number;
  /** Written before a request is sent, cleared once its answer is known: found later, the answer was lost. */
  readonly pending: Pending | null;
  readonly lastAttempt: LastAttempt | null;
  /** What the verdicts below were passed on: a hash of the tokens in the file and of the recipe. */
  readonly subject: string | null;
  readonly verdict: Verdict | null;
  readonly succeededAt: number | null;
  /** Seconds, from the last answer. */
  readonly lifetime: number | null;
  /** When the refresh token ends, from the last answer; epoch seconds. */
  readonly refreshEndsAt?: number | null;
  /** Times of recent refreshes that the token's lifetime did not call for. */
  readonly uncalled: number[];
  /** Hash of the tokens in the environment that were last taken over, or tried: each is once. */
  readonly imported?: string | null;
  /** Hashes of tokens that were taken in from a machine's disk: each is once. */
  readonly taken?: string[];
  /** Until when the server asked to be left alone. */
  readonly hostHeld: { readonly host: string; readonly until: number } | null;
}

export interface Pending {
  /** SHA-256 of what was spent: the refresh token, or the access token where there is none. */
  readonly spent: string;
  readonly at: number;
  /** The process that asks, as `Processes` names it; the request is that one's alone to repeat while it may be alive. */
  readonly owner?: string;
}

export interface LastAttempt {
  readonly at: number;
  readonly outcome: 'success' | Failure['kind'];
  readonly code?: string;
}

export interface Verdict {
  readonly kind: Failure['kind'] | 'braked';
  readonly code: string;
  readonly detail: string;
  /** Failures in a row. */
  readonly count: number;
  /** When to ask again; null when only a change or a person helps. */
  readonly retryAt: number | null;
  /** How many answers to this very refresh token were lost: if any, it may have been spent. */
  readonly lost: number;
}

export const NO_HISTORY: Omit<History, 'token' | 'file' | 'at'> = {
  generation: 0,
  pending: null,
  lastAttempt: null,
  subject: null,
  verdict: null,
  succeededAt: null,
  lifetime: null,
  uncalled: [],
  hostHeld: null,
};

/** A dead token is asked for once more after this: throttles, failovers and stale caches look the same. */
const CONFIRM_AFTER = 5 * 60;
/** A lost answer is asked for again soon: providers with a grace window give it then. */
const LOST_RETRIES = [2, 15] as const;
const BACKOFF_FIRST = 5;
const BACKOFF_MOST = 15 * 60;
const LOCAL_MOST = 60;
const BRAKE_WINDOW = 600;
const BRAKE_COUNT = 20;

export interface Circumstances {
  readonly now: number;
  readonly subject: string;
  readonly host: string;
  /** A password is never tried twice, and a grant without a refresh token cannot be mended by a login. */
  readonly usesRefreshToken: boolean;
  /** From 0 up to, not including, 1. */
  readonly random: number;
}

/** The history after a failure. */
export function afterFailure(history: History, failure: Failure, at: Circumstances): History {
  const { now, subject } = at;
  const before = history.subject === subject ? history.verdict : null;
  const count = (before?.count ?? 0) + 1;
  const lost = (before?.lost ?? 0) + (failure.kind === 'lost' ? 1 : 0);
  const kind = failure.kind === 'dead' && !at.usesRefreshToken ? 'configuration' : failure.kind;
  const pause = pauseAfter(kind, before, count, lost, at.random);
  // Until the server has said something, the lost request is its owner's to repeat.
  const unanswered = failure.kind === 'lost' || (lost > 0 && failure.code === 'unreachable');
  const retryAt = pause === null ? null : now + Math.max(pause, failure.retryAfter ?? 0);
  return {
    ...history,
    pending: failure.kind === 'local' || unanswered ? history.pending : null,
    lastAttempt: { at: now, outcome: kind, code: failure.code },
    subject,
    verdict: { kind, code: failure.code, detail: failure.detail, count, retryAt, lost },
    hostHeld: failure.retryAfter === undefined ? history.hostHeld : { host: at.host, until: now + failure.retryAfter },
  };
}

function pauseAfter(
  kind: Failure['kind'],
  before: Verdict | null,
  count: number,
  lost: number,
  random: number,
): number | null {
  switch (kind) {
    case 'configuration':
      return null;
    case 'dead':
      // After a lost answer this is the second request already: the first one has spent the token.
      return lost > 0 || before?.kind === 'dead' ? null : CONFIRM_AFTER;
    case 'lost':
      return LOST_RETRIES[lost - 1] ?? backoff(count - LOST_RETRIES.length, random);
    case 'local':
      // Nothing was sent, and no server has to be spared.
      return Math.min(backoff(count, random), LOCAL_MOST);
    case 'transient':
      return backoff(count, random);
  }
}

/** Full jitter, as in the AWS Architecture Blog's "Exponential Backoff And Jitter", with a second at least. */
function backoff(count: number, random: number): number {
  const ceiling = Math.min(BACKOFF_MOST, BACKOFF_FIRST * 2 ** Math.min(count - 1, 20));
  return Math.max(1, ceiling * random);
}

/** What a process that finds an attempt of another one, which died over it, remembers: the answer was lost. */
export function afterCrash(history: History, subject: string): History {
  const detail = 'the process that asked for it died before the answer was saved';
  const verdict: Verdict = { kind: 'lost', code: 'answer_lost', detail, count: 1, retryAt: null, lost: 1 };
  return { ...history, subject, verdict };
}

/** The record of a request for this very token whose answer nobody has; null when there is none. */
export function unansweredRequest({ pending }: History, spends: string): Pending | null {
  return pending?.spent === spends ? pending : null;
}

/** Whether its owner went without noting that the answer was lost. */
export function diedAsking({ verdict }: History, request: Pending | null): boolean {
  return request !== null && (verdict === null || verdict.lost === 0);
}

export interface Success {
  readonly now: number;
  /** Whether the token's lifetime called for this refresh. */
  readonly called: boolean;
  /** Hash of the new tokens and the recipe. */
  readonly subject: string;
  /** Seconds. */
  readonly lifetime: number | null;
  readonly refreshEndsAt: number | null;
}

/** The history after an answer that was saved. */
export function afterSuccess(history: History, at: Success): History {
  const recent = history.uncalled.filter((time) => time > at.now - BRAKE_WINDOW && time <= at.now);
  const uncalled = at.called ? recent : [...recent, at.now];
  const braked = uncalled.length > BRAKE_COUNT;
  return {
    ...history,
    generation: history.generation + 1,
    pending: null,
    lastAttempt: { at: at.now, outcome: 'success' },
    subject: at.subject,
    verdict: braked ? BRAKED : null,
    succeededAt: at.now,
    lifetime: at.lifetime,
    refreshEndsAt: at.refreshEndsAt,
    uncalled,
    hostHeld: null,
  };
}

const BRAKED: Verdict = {
  kind: 'braked',
  code: 'too_many_refreshes',
  detail: `more than ${BRAKE_COUNT} refreshes in ${BRAKE_WINDOW / 60} minutes that its lifetime did not call for`,
  count: 0,
  retryAt: null,
  lost: 0,
};
