import { duration } from './duration.js';
import { diedAsking, type History, unansweredRequest, type Verdict } from './history.js';
import type { Token } from './token.js';

/** How often and how early; all in seconds. */
export interface Timing {
  /** Refresh this long before expiry ... */
  readonly buffer: number;
  /** ... and never the same token twice within this. */
  readonly floor: number;
}

/** What a decision rests on beside the token itself. */
export interface Facts {
  readonly now: number;
  readonly timing: Timing;
  readonly history: History;
  /** Hash of the tokens in the file and the recipe, as in History. */
  readonly subject: string;
  /** Hash of what a refresh would spend. */
  readonly spends: string;
  /** When its refresh token was spent, for people, and whether its successor is at hand; null when it was not. */
  readonly spent: { readonly reason: string; readonly successor: boolean } | null;
  /** Why it cannot be refreshed at all, or null. */
  readonly obstacle: string | null;
  /** This machine's clock minus the server's, where measured. */
  readonly skew: number;
  /** Until when its host is to be left alone. */
  readonly hostHeldUntil: number;
  readonly asker: Asker;
}

/**
 * Who asks: the calendar, a person (who may have it now whatever was before), or a server that rejected the access
 * token (which is no reason to wait for the floor, but changes nothing about a verdict).
 */
export type Asker = 'schedule' | 'person' | 'rejection';

export type State = 'valid' | 'unknown' | 'due' | 'failing' | 'needs_login' | 'needs_configuration' | 'expired';

export interface Plan {
  readonly refresh: boolean;
  /** When to look again, epoch seconds; null for never by itself. */
  readonly at: number | null;
  readonly state: State;
  /** Why then, for people. */
  readonly reason: string;
  /** It will never be refreshed as things are, and the reason says why. */
  readonly blocked?: true;
  /** No request is made: the successor of a spent token is put back in its place. */
  readonly restores?: true;
}

/** Below this, a difference between two clocks is the network's and the `Date` header's coarseness. */
export const SKEW_NOTICED = 60;
/** Spreads the refreshes of tokens that end together, without moving any of them noticeably. */
const JITTER_SHARE = 0.01;
const JITTER_MOST = 30;

/** When the token ends, on this machine's clock. */
export function expiresAt(token: Token, skew: number): number | null {
  const { at, clock } = token.expiry;
  return at !== null && clock === 'server' && skew > SKEW_NOTICED ? at + skew : at;
}

/**
 * The time that expiry times are read and written against. A clock that is slow against the server's is
 * corrected, as it would make every refresh late; a fast one makes them early, which costs nothing.
 */
export function tokenTime(now: number, skew: number): number {
  return skew < -SKEW_NOTICED ? now - skew : now;
}

/** The buffer, but at most a third of the lifetime: else a short-lived token would be due for ever. */
function margin(token: Token, { timing, history }: Pick<Facts, 'timing' | 'history'>): number {
  const lifetime = history.lifetime !== null && history.lifetime > 0 ? history.lifetime : token.expiry.lifetime;
  return lifetime === null ? timing.buffer : Math.min(timing.buffer, lifetime / 3);
}

/** Decides what to do about one token. Pure: equal facts, equal plan. */
export function planFor(token: Token, facts: Facts): Plan {
  const { history, timing, now } = facts;
  const time = tokenTime(now, facts.skew);
  const ends = expiresAt(token, facts.skew);
  const expired = ends !== null && time >= ends;
  const at = (moment: number): number => moment - (time - now);

  // Nobody's wish overrules this: a provider with rotation ends the whole grant when a spent token comes back.
  if (facts.spent) {
    const { reason, successor } = facts.spent;
    if (!successor) return { refresh: false, at: null, state: 'needs_login', reason };
    return { refresh: true, restores: true, at: now, state: expired ? 'expired' : 'due', reason };
  }
  if (facts.obstacle !== null) {
    const state = expired ? 'expired' : !token.access ? 'needs_configuration' : ends === null ? 'unknown' : 'valid';
    return {
      refresh: false,
      at: expired || ends === null ? null : at(ends),
      state,
      reason: facts.obstacle,
      blocked: true,
    };
  }
  if (facts.hostHeldUntil > now && (facts.asker === 'person' || !history.verdict)) {
    const reason = 'its host asked to be left alone until then';
    return { refresh: false, at: facts.hostHeldUntil, state: expired ? 'expired' : 'valid', reason };
  }
  if (facts.asker === 'person') return { refresh: true, at: now, state: 'due', reason: 'asked for' };
  if (diedAsking(history, unansweredRequest(history, facts.spends))) {
    return { refresh: true, at: now, state: 'due', reason: 'the answer to its last request was lost' };
  }
  const verdict = history.subject === facts.subject ? history.verdict : null;
  if (verdict) return afterVerdict(verdict, history, facts, expired);
  if (!token.access) return { refresh: true, at: now, state: 'due', reason: 'there is no access token yet' };
  if (facts.asker === 'rejection') return { refresh: true, at: now, state: 'due', reason: 'its server rejected it' };
  // A refresh token that ends first takes the access token's successor with it.
  const refreshDue = refreshTokenDue(token, facts);
  if (refreshDue !== null && refreshDue <= now) {
    return { refresh: true, at: now, state: expired ? 'expired' : 'due', reason: 'its refresh token ends soon' };
  }
  if (ends === null) {
    const state = 'unknown';
    if (refreshDue === null) return { refresh: false, at: null, state, reason: 'nothing tells when it expires' };
    return { refresh: false, at: refreshDue, state, reason: 'before its refresh token ends' };
  }

  const before = margin(token, facts);
  const jitter = Math.min(before * JITTER_SHARE, JITTER_MOST) * fraction(token.name + ends);
  const floorEnds = history.succeededAt !== null && history.succeededAt <= now ? history.succeededAt + timing.floor : 0;
  // A success in the future means that the clock has been set back since: its expiry time tells nothing.
  const clockSetBack = history.succeededAt !== null && history.succeededAt > now + SKEW_NOTICED;
  const due = clockSetBack ? now : Math.max(at(ends - before + jitter), floorEnds);
  const state = expired ? 'expired' : due <= now ? 'due' : 'valid';
  if (due <= now) return { refresh: true, at: now, state, reason: expiryReason(ends - time) };
  const reason =
    due === floorEnds ? `at most once in ${duration(timing.floor)}` : `${duration(before)} before it expires`;
  if (refreshDue !== null && refreshDue < due) {
    return { refresh: false, at: refreshDue, state, reason: 'before its refresh token ends' };
  }
  return { refresh: false, at: due, state, reason };
}

/** When the refresh token has to be spent at the latest; null when it has no end that is known. */
function refreshTokenDue(
  token: Token,
  { history, timing, subject }: Pick<Facts, 'history' | 'timing' | 'subject'>,
): number | null {
  const { refreshEndsAt = null, succeededAt } = history;
  if (!token.refresh || refreshEndsAt === null || succeededAt === null || history.subject !== subject) return null;
  const life = refreshEndsAt - succeededAt;
  return Math.max(refreshEndsAt - Math.min(timing.buffer, life / 3), succeededAt + timing.floor);
}

function afterVerdict(verdict: Verdict, history: History, facts: Facts, expired: boolean): Plan {
  const state = stateOf(verdict, expired);
  const retryAt = verdict.retryAt === null ? null : Math.max(verdict.retryAt, facts.hostHeldUntil);
  if (retryAt === null) return { refresh: false, at: null, state, reason: verdict.detail };
  // After the clock was set back a pause could last for years.
  const clockSetBack = history.lastAttempt !== null && history.lastAttempt.at > facts.now + SKEW_NOTICED;
  const due = retryAt <= facts.now || clockSetBack;
  return { refresh: due, at: due ? facts.now : retryAt, state, reason: verdict.detail };
}

function stateOf(verdict: Verdict, expired: boolean): State {
  if (verdict.kind === 'dead') return 'needs_login';
  if (verdict.kind === 'configuration') return 'needs_configuration';
  return expired ? 'expired' : 'failing';
}

function expiryReason(left: number): string {
  return left > 0 ? `expires in ${duration(left)}` : `expired ${duration(left)} ago`;
}

/** From 0 up to 1, always the same for the same text: a plan must not change between two looks. */
function fraction(text: string): number {
  let hash = 0x811c9dc5; // FNV-1a
  for (const character of text) hash = Math.imul(hash ^ (character.codePointAt(0) ?? 0), 0x01000193);
  return (hash >>> 0) / 2 ** 32;
}
