import type { Asker } from '../ground/plan.js';
import type { Token } from '../ground/token.js';
import type { Clock } from '../ports/clock.js';
import type { Hosts } from './hosts.js';
import type { InFlight } from './in-flight.js';
import type { World } from './load.js';
import type { Refresh, Result } from './refresh.js';
import { refreshHost, type Surveyed } from './survey.js';

/** From this many hosts on, a start after boot or sleep is spread ... */
const SPREAD_FROM = 8;
/** ... over so many seconds. */
const SPREAD_OVER = 4;
/** Seconds for which a token rests that was found due but could not be attempted: its history has no say then. */
const REST = 5;

/** Runs refreshes side by side, each token at most once at a time. */
export interface Refresher {
  /** Starts whatever the survey says is due; `spread` says that the machine has just booted or woken. */
  start(surveyed: readonly Surveyed[], world: World, asker: Asker, spread: boolean): void;
  isInFlight(token: string): boolean;
  /** Refreshes one token now; joins a refresh of it that is under way. */
  refresh(token: Token, recipeHost: string, world: World, asker: Asker): Promise<Result>;
  readonly inFlight: number;
  /** Until when a token is left alone although it is due (as the clock's `monotonic`); 0 when it is not. */
  restsUntil(token: string): number;
  /** Resolves when nothing is in flight. */
  settled(): Promise<void>;
  /** Nothing new starts from here on. */
  stop(): void;
}

const STOPPED: Result = { outcome: 'not_due', reason: 'the program is being stopped' };

export function createRefresher(
  refresh: Refresh,
  work: InFlight,
  hosts: Hosts,
  clock: Clock,
  ended: (token: Token, result: Result | Error) => void,
): Refresher {
  const inFlight = new Map<string, Promise<Result>>();
  const resting = new Map<string, number>();

  const rest = (token: Token, seconds: number): void => {
    if (seconds === 0) resting.delete(token.name);
    else resting.set(token.name, clock.monotonic() + seconds);
  };
  const restsUntil = (token: string): number => resting.get(token) ?? 0;

  const launch = (token: Token, host: string, world: World, asker: Asker, delay: number): Promise<Result> => {
    const running = inFlight.get(token.name);
    if (running) return running;
    const run = async (): Promise<Result> => {
      if (delay > 0) await clock.sleep(delay);
      return hosts
        .limit(host)
        .refreshes(async () => (work.isStopped ? STOPPED : refresh(token, world, asker, () => work.isStopped)));
    };
    const promise = work.run(run).finally(() => inFlight.delete(token.name));
    inFlight.set(token.name, promise);
    promise.then(
      (result) => {
        const attempted = result.outcome === 'refreshed' || result.outcome === 'adopted';
        rest(token, attempted || (result.outcome === 'failed' && result.failure.kind !== 'local') ? 0 : REST);
        ended(token, result);
      },
      (error: Error) => {
        rest(token, REST);
        ended(token, error);
      },
    );
    return promise;
  };

  return {
    start(surveyed, world, asker, spread) {
      const due = surveyed.flatMap((one) => {
        const { token, plan } = one;
        const rested = restsUntil(token.name) <= clock.monotonic();
        const host = refreshHost(one);
        return plan.refresh && rested && host !== null && !work.isStopped ? [{ token, host }] : [];
      });
      const spreadHosts = new Map(due.map(({ host }) => [host, 0]));
      if (spread && spreadHosts.size >= SPREAD_FROM) {
        for (const host of spreadHosts.keys()) spreadHosts.set(host, clock.random() * SPREAD_OVER);
      }
      for (const { token, host } of due) {
        launch(token, host, world, asker, spreadHosts.get(host) ?? 0).catch(() => undefined);
      }
    },
    refresh: (token, host, world, asker) => launch(token, host, world, asker, 0),
    restsUntil,
    isInFlight: (token) => inFlight.has(token),
    get inFlight() {
      return inFlight.size;
    },
    settled: () => work.settled(),
    stop: () => work.stop(),
  };
}
