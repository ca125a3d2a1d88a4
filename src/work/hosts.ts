import pLimit, { type LimitFunction } from 'p-limit';
import { type Answer, dateOf } from '../ground/answer.js';
import { SKEW_NOTICED } from '../ground/plan.js';
import type { Log } from '../ports/log.js';
import type { HostKnowledge } from './survey.js';

/** Requests under way at one host. */
const REQUESTS_AT_ONCE = 4;
/** Refreshes under way at one host: while some wait for their answers, others lock, prepare and save. */
const REFRESHES_AT_ONCE = 2 * REQUESTS_AT_ONCE;

/** Retry-After is taken for a day at the most: a hold that lasts longer is of a clock that has since been set back. */
const HOLD_MOST = 86_400;

export interface HostLimits {
  readonly refreshes: LimitFunction;
  readonly requests: LimitFunction;
}

/** What is known of the hosts that token endpoints are at, and how many may be asked at once. */
export interface Hosts extends HostKnowledge {
  limit(host: string): HostLimits;
  /** Compares the answer's `Date` with this machine's clock. */
  measure(host: string, answer: Answer, now: number): void;
  hold(host: string, until: number): void;
  /** The wall clock was set: what was measured against it no longer holds. */
  forgetSkews(): void;
}

export function createHosts(log: Log): Hosts {
  const limits = new Map<string, HostLimits>();
  const skews = new Map<string, number>();
  const held = new Map<string, number>();
  const hold = (host: string, until: number): void => {
    held.set(host, Math.max(until, held.get(host) ?? 0));
  };
  return {
    skewOf: (host) => skews.get(host) ?? 0,
    heldUntil(host, now) {
      const until = held.get(host) ?? 0;
      return until > now + HOLD_MOST ? 0 : until;
    },
    hold,
    recall({ hostHeld }) {
      if (hostHeld) hold(hostHeld.host, hostHeld.until);
    },
    limit(host) {
      const limit = limits.get(host) ?? { refreshes: pLimit(REFRESHES_AT_ONCE), requests: pLimit(REQUESTS_AT_ONCE) };
      limits.set(host, limit);
      return limit;
    },
    measure(host, answer, now) {
      const date = dateOf(answer);
      if (date === null) return;
      const skew = now - date;
      const noticed = Math.abs(skew) > SKEW_NOTICED;
      if (noticed && Math.abs(skew - (skews.get(host) ?? 0)) > SKEW_NOTICED) {
        const direction = skew > 0 ? 'ahead of' : 'behind';
        log.warning('REFRESH', `this machine's clock is ${Math.round(Math.abs(skew))} s ${direction} that of ${host}`);
      }
      skews.set(host, noticed ? skew : 0);
    },
    forgetSkews: () => skews.clear(),
  };
}
