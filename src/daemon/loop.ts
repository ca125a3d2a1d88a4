import type { Clock } from '../ports/clock.js';
import type { Hosts } from '../work/hosts.js';
import type { Intake } from '../work/imports.js';
import type { Loader, World } from '../work/load.js';
import type { Published, Publisher } from '../work/publish.js';
import type { Refresher } from '../work/refresher.js';
import type { Surveyed, Surveyor } from '../work/survey.js';
import type { Alarm, Ring } from './alarm.js';

export interface LoopParts {
  readonly loader: Loader;
  readonly intake: Intake;
  readonly survey: Surveyor;
  readonly refresher: Refresher;
  readonly publisher: Publisher;
  readonly hosts: Hosts;
  readonly alarm: Alarm;
  readonly clock: Clock;
  /** Seconds. */
  readonly interval: number;
  /** False while nothing may be written: the root was moved away, or unmounted. */
  readonly mayWrite: () => Promise<boolean>;
  /** Watches folders that have appeared. */
  readonly follow: (world: World | null) => void;
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
  /** Seconds of them for the outputs. */
  readonly rendering: number;
}

/** How often a root that is away is looked for; seconds. */
const LOOK_FOR_ROOT = 1;
/** Sleep is taken in slices, each of which finds out whether the clock was set or the machine asleep. */
const SLICE = 5;
const CLOCK_JUMP = 2;
/** A machine that has been up for less is taken to have just booted; seconds. */
const JUST_BOOTED = 300;

/** THE loop: events only wake it; a scan of the world decides. */
export async function runLoop(parts: LoopParts, signal: AbortSignal, force: boolean): Promise<void> {
  const { loader, intake, survey, refresher, publisher, clock, mayWrite, follow, report } = parts;
  let cause: Cycle['cause'] = 'start';
  let before: World | null = null;
  while (!signal.aborted) {
    if (!(await mayWrite())) {
      // What is there instead is nobody's wish: an empty folder is no reason to empty the configs.
      cause = (await parts.alarm.wait(LOOK_FOR_ROOT, signal)) ?? 'change';
      continue;
    }
    const began = clock.monotonic();
    // Before the look, so that nothing changes unseen between the two.
    follow(before);
    const world = await intake(began);
    if (world !== before) follow(world);
    before = world;
    // Between the steps others have their turn, as those who ask the API: with thousands of tokens each step takes long.
    const pause = (): Promise<void> => clock.sleep(0);
    await pause();
    const asker = force && cause === 'start' ? 'person' : 'schedule';
    const surveyed = await survey.inTurns(world, clock.now(), asker, pause);
    const awoke = cause === 'clock' || (cause === 'start' && clock.uptime() < JUST_BOOTED);
    refresher.start(surveyed, world, asker, awoke);
    await pause();
    const rendered = clock.monotonic();
    const published = await publisher.publish(world);
    const ended = clock.monotonic();
    await pause();
    report({ world, surveyed, published, cause, took: ended - began, rendering: ended - rendered });
    cause = await sleepUntilNext(parts, surveyed, signal);
  }
  refresher.stop();
  await refresher.settled();
  if (await mayWrite()) await publisher.publish(loader.load(clock.monotonic()));
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
