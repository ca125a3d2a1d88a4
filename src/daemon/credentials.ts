import type { Listing } from '../ground/entry.js';
import { secretsOf } from '../ground/leaks.js';
import type { Asker } from '../ground/plan.js';
import { isRecipe } from '../ground/recipe.js';
import { plain } from '../ground/rendering.js';
import type { Secret } from '../ground/secret.js';
import type { World } from '../work/load.js';
import type { Result } from '../work/refresh.js';
import { refreshHost, type Surveyed } from '../work/survey.js';
import type { App } from './app.js';
import { createRestraint } from './restraint.js';
import { actionFor } from './status.js';

/** What a request to a server is sent with. */
export interface Access {
  readonly url: URL;
  readonly sse: boolean;
  readonly headers: Readonly<Record<string, string>>;
  /** What a server must not say back: what is secret in the headers and the address, and what those are made of. */
  readonly secrets: readonly Secret[];
}

/** Why a server cannot be asked, for people. */
export class Refusal extends Error {
  override readonly name = 'Refusal';
  /** What to run so that it can be, where that is known. */
  readonly command: string | null;

  constructor(message: string, command: string | null) {
    super(command === null ? message : `${message}; run: ${command}`);
    this.command = command;
  }
}

/** The credentials of one server, always the newest. */
export interface Credentials {
  /** Those to use now; what is due is refreshed meanwhile. Throws a Refusal when there are none and none can be had. */
  current(): Promise<Access>;
  /** Those that were used last, as they are; null when there were none. */
  atHand(): Access | null;
  /** As `current`, but what is due is refreshed first. */
  fresh(): Promise<Access>;
  /** Other ones than those that the server has rejected with a 401. Throws a Refusal when there are none to be had. */
  afterRejection(rejected: Access): Promise<Access>;
  /** What to say when those are rejected, too. */
  rejection(): Refusal;
}

/** Seconds after which definitions and environment are looked at again; token files are at every request. */
const KEPT_FOR = 2;
/** Seconds until a refresh is tried again that could not even be attempted, and after which whoever waits looks again. */
const LOOK_AGAIN = 1;

interface Found {
  readonly world: World;
  readonly listing: Listing;
  readonly tokens: readonly Surveyed[];
}

/**
 * `patience`: seconds for which a refresh that fails for now is tried again, at its own pace, while a request waits
 * for it.
 */
export function createCredentials(app: App, key: string, patience: number): Credentials {
  const { clock, refresher } = app;
  let kept: { readonly access: Access; readonly until: number; readonly files: ReadonlyMap<string, string> } | null =
    null;
  let last: Access | null = null;
  const restraint = createRestraint(clock, app.settings.timing.floor);

  const look = (): Found => {
    const { world, surveyed } = app.look();
    const listing = app.publisher.join(world).listings.find((one) => one.key === key);
    if (!listing) throw new Refusal(`there is no server "${key}" any more`, null);
    return { world, listing, tokens: surveyed.filter(({ token }) => listing.tokens.includes(token.name)) };
  };

  const keep = ({ listing, tokens }: Found): Access => {
    const { entry, reason } = listing;
    if (entry?.kind !== 'remote') throw new Refusal(`server ${key}: ${reason ?? 'it is a command, not a URL'}`, null);
    const access = {
      url: new URL(entry.url),
      sse: entry.sse,
      headers: plain(entry.headers, (secret) => secret.reveal()),
      secrets: secretsOf(
        tokens.map(({ token }) => token),
        [entry],
      ).map(({ secret }) => secret),
    };
    const moments = tokens.flatMap(({ plan, expiresAt }) => [plan.at, expiresAt]).filter((at) => at !== null);
    const files = new Map(tokens.map(({ token: { file } }) => [file, app.signature(file)]));
    // A file that is gone may be on its way back (an editor's write), or may not: that is for the next look to tell.
    const gone = [...files.values()].includes('');
    last = access;
    kept = gone ? null : { access, until: Math.min(clock.now() + KEPT_FOR, ...moments), files };
    return access;
  };

  /** Whether it has to be refreshed before it can be used. */
  const isSpent = ({ token, expiresAt, recipe, plan }: Surveyed): boolean => {
    if (plan.restores) return true;
    return isRecipe(recipe) && (!token.rendered || (expiresAt !== null && expiresAt <= clock.now()));
  };

  const refresh = (found: Found, one: Surveyed, asker: Asker): Promise<Result> | null => {
    const host = refreshHost(one);
    return host === null ? null : refresher.refresh(one.token, host, found.world, asker);
  };

  /** As `refresh`, which goes on by itself when the request can wait no longer. */
  const refreshWithin = async (until: number, found: Found, one: Surveyed, asker: Asker): Promise<Result | null> => {
    const done = new AbortController();
    // Who has no patience for a second attempt waits for the first one to its end.
    const left = patience === 0 ? Number.POSITIVE_INFINITY : until - clock.monotonic();
    const late = clock.sleep(left, done.signal).then(() => UNANSWERED);
    return Promise.race([refresh(found, one, asker), late]).finally(() => done.abort());
  };

  /** The gateway's token is not this server's alone, and has a login of its own. */
  const remedyFor = (one: Surveyed): string | null => {
    const { entry } = look().listing;
    const own = entry?.kind !== 'remote' || entry.token === one.token.name;
    return actionFor(one, own ? key : undefined);
  };

  /**
   * Waits with what keeps a token from being refreshed for so many seconds; throws when that is too long. Others may
   * change its file meanwhile, so it is for the caller to look again.
   */
  const pause = async (one: Surveyed, seconds: number, reason: string, until: number): Promise<void> => {
    if (clock.monotonic() + seconds > until) {
      throw new Refusal(`token ${one.token.name} cannot be refreshed: ${reason}`, remedyFor(one));
    }
    await clock.sleep(Math.min(seconds, LOOK_AGAIN));
  };

  /** Waits until a token that cannot be refreshed right now may be; throws when that is too far off. */
  const waitFor = (one: Surveyed, until: number): Promise<void> => {
    const { at, reason } = one.plan;
    return pause(one, at === null ? Number.POSITIVE_INFINITY : Math.max(at - clock.now(), 0.05), reason, until);
  };

  /** Refreshes what is due: `first`, or in the background unless nothing else can be used. */
  const ready = async (first: boolean): Promise<Access> => {
    const until = clock.monotonic() + patience;
    for (;;) {
      const found = look();
      const due = found.tokens.filter(({ plan }) => plan.refresh);
      const spent = found.tokens.filter(isSpent);
      if (spent.length === 0) {
        const refreshed = Promise.allSettled(due.map((one) => refresh(found, one, 'schedule')));
        if (!first || due.length === 0) return keep(found);
        await refreshed;
        return keep(look());
      }
      const blocked = spent.find(({ plan }) => !plan.refresh);
      if (blocked) {
        // Files are read before histories: another process that saved in between has a history too new for the file.
        if (look().tokens.some(isSpent)) await waitFor(blocked, until);
        continue;
      }
      for (const one of spent) {
        const hindrance = hindranceIn(await refreshWithin(until, found, one, 'schedule'));
        // Of an attempt that was none the plan knows nothing: it would be made again at once.
        if (hindrance !== null) await pause(one, LOOK_AGAIN, hindrance, until);
      }
    }
  };

  const rejection = ({ tokens: [first] }: Found): Refusal => {
    if (!first) return new Refusal(`server ${key} rejects its credentials (401)`, null);
    const { token, recipe } = first;
    const why = isRecipe(recipe) ? 'although it has just been refreshed' : `and ${recipe.reason}`;
    return new Refusal(`server ${key} rejects token ${token.name} (401), ${why}`, `token-refresher login ${key}`);
  };

  const inVain = (found: Found): Refusal => {
    restraint.inVain();
    return rejection(found);
  };

  return {
    async current() {
      if (kept && clock.now() < kept.until && [...kept.files].every(([file, was]) => app.signature(file) === was)) {
        return kept.access;
      }
      return ready(false);
    },
    atHand: () => last,
    fresh: () => ready(true),
    async afterRejection(rejected) {
      const until = clock.monotonic() + patience;
      for (;;) {
        const found = look();
        const access = keep(found);
        if (!sameHeaders(access, rejected)) return access;
        const renewable = found.tokens.filter(({ recipe }) => isRecipe(recipe));
        const [first] = renewable;
        if (!first) throw rejection(found);
        const { allows } = restraint;
        // Another process may be refreshing it just now: whoever takes the lock gets to see that.
        const asker = allows ? 'rejection' : 'schedule';
        const results = await Promise.all(renewable.map((one) => refreshWithin(until, found, one, asker)));
        if (results.some((result) => result?.outcome === 'refreshed' || result?.outcome === 'adopted')) {
          restraint.renewed();
          return keep(look());
        }
        const failing = look().tokens.find(({ history, subject }) => history.verdict && history.subject === subject);
        const hindrance = results.map(hindranceIn).find((one) => one !== null);
        if (failing) await waitFor(failing, until);
        else if (!allows) throw inVain(found);
        else if (hindrance === undefined) throw rejection(found);
        else await pause(first, LOOK_AGAIN, hindrance, until);
      }
    },
    rejection: () => inVain(look()),
  };
}

const UNANSWERED: Result = { outcome: 'not_due', reason: 'no answer has come from its token endpoint so far' };

/** What kept a refresh from being attempted; null when it was, as its history then has what came of it. */
function hindranceIn(result: Result | null): string | null {
  switch (result?.outcome) {
    case 'not_due':
      return result.reason;
    case 'failed':
      return result.failure.kind === 'local' ? result.failure.detail : null;
    case 'gone':
      return 'its file is gone, or cannot be used as it is now';
    case 'busy':
      return 'another process has been at it for long';
    default:
      return null;
  }
}

function sameHeaders(a: Access, b: Access): boolean {
  return JSON.stringify(a.headers) === JSON.stringify(b.headers);
}
