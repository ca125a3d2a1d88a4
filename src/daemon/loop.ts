import type { Clock } from '../ports/clock.js';
import type { Hosts } from '../work/hosts.js';
import type { Loader, World } from '../work/load.js';
import type { Published, Publisher } from '../work/publish.js';
import type { Refresher } from '../work/refresher.js';
import type { Surveyed, Surveyor } from '../work/survey.js';
import type { Alarm, Ring } from './alarm.js';

export interface LoopParts {
  readonly loader: Loader;
  readonly survey: Surveyor;
  readonly refresher: Refresher;
  readonly publisher: Publisher;
  readonly hosts: Hosts;
  readonly alarm: Alarm;
  readonly clock: Clock;
  /** Seconds. */
  readonly interval: number;
  /** Watches folders that have appeared. */
  readonly follow: () => Promise<void>;
  readonly report: (cycle: Cycle) => void;
}

/** What one pass found and did. */
export interface Cycle {
  readonly world: World;
  readonly surveyed: readonly Surveyed[];
  readonly published: Published;
  /** Why there was one. */
  readonly cause: 'start' | 'time' | 'clock' | Ring;
  /** Seconds it took. */
  readonly took: number;
}

/** Sleep is taken in slices, each of which finds out whether the clock was set or the machine asleep. */
const SLICE = 5;
const CLOCK_JUMP = 2;
/** A machine that has been up for less is taken to have just booted; seconds. */
const JUST_BOOTED = 300;

/** THE loop: events only wake it; a scan of the world decides. */
export async function runLoop(parts: LoopParts, signal: AbortSignal, force: boolean): Promise<void> {
  const { loader, survey, refresher, publisher, clock, follow, report } = parts;
  let cause: Cycle['cause'] = 'start';
  while (!signal.aborted) {
    const began = clock.monotonic();
    await follow();
    const world = loader.load(began);
    const now = clock.now();
    const surveyed = survey.all(world, now, force && cause === 'start');
    const awoke = cause === 'clock' || (cause === 'start' && clock.uptime() < JUST_BOOTED);
    refresher.start(surveyed, world, force && cause === 'start' ? 'person' : 'schedule', awoke);
    const published = await publisher.publish(world);
    report({ world, surveyed, published, cause, took: clock.monotonic() - began });
    cause = await sleepUntilNext(parts, surveyed, signal);
  }
  refresher.stop();
  await refresher.settled();
  await publisher.publish(loader.load(clock.monotonic()));
}

async function sleepUntilNext(
  { alarm, clock, loader, refresher, hosts, interval }: LoopParts,
  surveyed: readonly Surveyed[],
  signal: AbortSignal,
): Promise<Cycle['cause']> {
  const started = clock.monotonic();
  const dueAt = surveyed.flatMap(({ token, plan }) => {
    const rest = Math.max(0, refresher.restsUntil(token.name) - started);
    return plan.at === null || refresher.isInFlight(token.name) ? [] : [Math.max(plan.at, clock.now() + rest)];
  });
  for (;;) {
    const wall = clock.now();
    const steady = clock.monotonic();
    const left = Math.min(
      started + interval - steady,
      (loader.lookAgainAt ?? Number.POSITIVE_INFINITY) - steady,
      ...dueAt.map((at) => at - wall),
    );
    if (left <= 0 || signal.aborted) return 'time';
    const rung = await alarm.wait(Math.min(left, SLICE), signal);
    if (rung) return rung;
    const jump = clock.now() - wall - (clock.monotonic() - steady);
    if (Math.abs(jump) > CLOCK_JUMP) {
      hosts.forgetSkews();
      return 'clock';
    }
  }
}

/** One pass that waits for what it started: `--once`. A lost answer is asked for again once, within `patience`. */
export async function runOnce(parts: LoopParts, force: boolean, patience: number): Promise<Cycle> {
  const { loader, survey, refresher, publisher, clock, report } = parts;
  const began = clock.monotonic();
  const look = (): { world: World; surveyed: Surveyed[] } => {
    const world = loader.load(clock.monotonic());
    return { world, surveyed: survey.all(world, clock.now(), false) };
  };
  let { world, surveyed } = look();
  const asked = force ? survey.all(world, clock.now(), true) : surveyed;
  refresher.start(asked, world, force ? 'person' : 'schedule', false);
  for (let retried = false; refresher.inFlight > 0; ) {
    await refresher.settled();
    ({ world, surveyed } = look());
    const retries = surveyed.flatMap(({ plan, history }) =>
      history.verdict?.kind === 'lost' && plan.at !== null ? [plan.at] : [],
    );
    const next = Math.min(...retries) - clock.now();
    if (retried || retries.length === 0 || next > patience) break;
    retried = true;
    await clock.sleep(next + 0.01); // timers may be early by a fraction of a millisecond
    ({ world, surveyed } = look());
    refresher.start(surveyed, world, 'schedule', false);
  }
  const published = await publisher.publish(world);
  const cycle: Cycle = { world, surveyed, published, cause: 'start', took: clock.monotonic() - began };
  report(cycle);
  return cycle;
}
