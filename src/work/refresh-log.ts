import { duration } from '../ground/duration.js';
import type { Failure } from '../ground/failure.js';
import type { History, Verdict } from '../ground/history.js';
import { humanMoment } from '../ground/moment.js';
import { labelOf, type Token } from '../ground/token.js';
import type { Log } from '../ports/log.js';

/** What a refresh has to say, in the words of the log. */
export interface RefreshLog {
  begins(token: Token, why: string): void;
  answerWasLost(token: Token): void;
  superseded(token: Token): void;
  /** An old copy stood in its place, which was spent at that time. */
  restored(token: Token, spentAt: number | null): void;
  notYetSaved(token: Token, why: string): void;
  journalRefused(token: string, why: string): void;
  /** This machine refuses: told once, not at every attempt. */
  refused(token: Token, why: string): void;
  succeeded(token: Token, endsIn: number | null, verdict: Verdict | null): void;
  /** The stored refresh token is dead: the one under these environment names is tried, once. */
  fallsBack(token: Token, refusal: Failure, names: readonly string[]): void;
  fallbackFailed(token: Token, failure: Failure): void;
  /** `before` is the verdict on the same tokens that this one follows. */
  failed(token: Token, history: History, before: Verdict | null): void;
}

export function createRefreshLog(log: Log): RefreshLog {
  const lastRefusal = new Map<string, string>();
  const about = ({ name, file }: Token): { token: string; file: string } => ({ token: name, file });
  const say = (level: 'info' | 'warning' | 'error', token: Token, message: string): void => {
    log[level]('REFRESH', `${labelOf(token)}: ${message}`, about(token));
  };
  const refused = (token: Token, why: string): void => {
    if (lastRefusal.get(token.name) !== why) say('error', token, why);
    lastRefusal.set(token.name, why);
  };
  return {
    refused,
    begins: (token, why) => say('info', token, `${why}, refreshing...`),
    answerWasLost: (token) => say('warning', token, 'the answer to its last request was lost; asking again'),
    superseded: (token) => say('warning', token, 'was changed by another program meanwhile; what is there stays'),
    restored(token, spentAt) {
      const when = spentAt === null ? '' : `, whose refresh token was spent on ${humanMoment(spentAt)}`;
      say('warning', token, `an old copy had been written over it${when}; its successor is back in its place`);
    },
    notYetSaved: (token, why) => say('error', token, `${why}; its new token is held until it can be saved`),
    journalRefused: (token, why) => log.debug('REFRESH', `the journal ${why}; this process remembers`, { token }),
    succeeded(token, endsIn, verdict) {
      lastRefusal.delete(token.name);
      const told = endsIn === null ? 'nothing tells when it expires' : `expires in ${duration(Math.max(0, endsIn))}`;
      say('info', token, `successfully refreshed, ${told}`);
      if (verdict) say('error', token, `${verdict.detail}; stopped. ${remedy(token)}`);
    },
    fallsBack(token, { code }, names) {
      const from = names.join(', ');
      say('warning', token, `its refresh token is dead (${code}); trying the one in the environment, once (${from})`);
    },
    fallbackFailed: (token, { code, detail }) =>
      say('warning', token, `the refresh token in the environment is no better (${code}): ${detail}`),
    failed(token, { verdict, lastAttempt }, before) {
      if (!verdict) return;
      const again = verdict.retryAt === null ? null : duration(verdict.retryAt - (lastAttempt?.at ?? 0));
      const what = `refresh failed (${verdict.code}): ${verdict.detail}`;
      if (verdict.kind === 'local') {
        refused(token, `${what}. It will be tried again until that is mended`);
        return;
      }
      lastRefusal.delete(token.name);
      if (verdict.kind === 'dead' && before?.kind !== 'dead') {
        const next = again === null ? 'It will not be asked for again' : `It will be asked for once more in ${again}`;
        say('warning', token, `${what}. ${next}; a new login is needed: ${loginOf(token)}`);
      } else if (verdict.kind === 'dead') {
        say('info', token, `${what}. Parked until its file changes, or: ${loginOf(token)}`);
      } else if (again === null) {
        say('error', token, `${what}. Parked until its configuration or file changes. ${remedy(token)}`);
      } else {
        say('warning', token, `${what}; trying again in ${again}`);
      }
    },
  };
}

/** The command that brings a new token. */
export function loginOf(token: Token): string {
  // The provider's only token is found by its name; of a store, one user's is meant.
  return `token-refresher login ${token.at.length > 0 ? token.name : (token.provider ?? token.name)}`;
}

function remedy(token: Token): string {
  return `Then: token-refresher refresh ${token.name} --force`;
}
