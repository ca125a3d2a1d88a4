import { type Answer, type Grant, judge } from './answer.js';
import { type Failure, isKnownCode } from './failure.js';
import type { Update } from './formats/format.js';
import { jwtLife } from './jwt.js';
import { SKEW_NOTICED, tokenTime } from './plan.js';
import type { Recipe } from './recipe.js';
import { Secret } from './secret.js';
import { namesSecret } from './supposed.js';
import type { Token } from './token.js';

/** One request to a token endpoint, and what became of it. */
export interface Exchange {
  /** False only when the request cannot have reached the server. */
  readonly sent: boolean;
  /** What came back, also when it broke off; null when nothing did. */
  readonly answer: Answer | null;
  /** What went wrong on the way, for people; null when nothing did. */
  readonly trouble: string | null;
}

const REFUSALS = new Set([400, 401, 403]);

/** Why an exchange did not bring a good answer, or null when it did. */
export function failureOf(
  exchange: Exchange,
  grant: Grant | null,
  token: Token,
  recipe: Recipe,
  now: number,
): Failure | null {
  const { sent, answer, trouble } = exchange;
  const whole = answer?.complete || (grant?.access && !grant.salvaged);
  if (answer && whole) {
    const parameters = Object.entries(recipe.parameters).filter(([name]) => namesSecret(name));
    const mine = [
      ...[token.access, token.refresh, recipe.clientSecret, recipe.password],
      ...parameters.map(([, value]) => new Secret(value)),
    ];
    const theirs = grant ? [grant.access, grant.refresh] : [];
    const failure = judge(answer, grant, [...mine, ...theirs], now);
    // Whatever the server says with it: a few wrong passwords lock an account.
    if (failure && recipe.grant === 'password' && REFUSALS.has(answer.status) && !isKnownCode(failure.code)) {
      return { ...failure, kind: 'configuration' };
    }
    // In what way it could not be read.
    if (failure?.code === 'answer_unusable' && trouble !== null) return { ...failure, detail: trouble };
    return failure && recipe.deadCodes.includes(failure.code) ? { ...failure, kind: 'dead' } : failure;
  }
  const detail = trouble ?? 'the answer was cut off';
  if (!sent) return { kind: 'transient', code: 'unreachable', detail };
  return { kind: 'lost', code: 'answer_lost', detail: `${detail}; it may have been carried out` };
}

/** The new tokens with the time they end at, by the clock that expiry times are read against. */
export function updateOf(grant: Grant, now: number, skew: number): Update {
  const time = tokenTime(now, skew);
  if (grant.expiresIn !== null) return { grant, now: time, expiresAt: time + grant.expiresIn };
  if (typeof grant.expiresAt === 'number' && grant.expiresAt > time) {
    return { grant, now: time, expiresAt: grant.expiresAt };
  }
  const exp = grant.access && jwtLife(grant.access.reveal())?.exp;
  return { grant, now: time, expiresAt: exp ? exp + (skew > SKEW_NOTICED ? skew : 0) : null };
}

/** When the new refresh token ends; null when nothing tells, or it has no end. */
export function refreshEndOf({ grant, now }: Update): number | null {
  if (grant.refreshExpiresIn !== null) return now + grant.refreshExpiresIn;
  return grant.refreshExpiresAt ?? null;
}

/** Seconds for which the new access token is good; null when nothing tells, or it never was. */
export function lifetimeOf({ expiresAt, now }: Update): number | null {
  return expiresAt !== null && expiresAt > now ? expiresAt - now : null;
}
