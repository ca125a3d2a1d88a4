import type { World } from '../work/load.js';
import type { Surveyed } from '../work/survey.js';
import type { Cycle, LoopParts } from './loop.js';

/** One pass that waits for what it started: `--once`. A lost answer is asked for again once, within `patience`. */
export async function runOnce(parts: LoopParts, force: boolean, patience: number): Promise<Cycle> {
  const { intake, survey, refresher, publisher, clock, report } = parts;
  const began = clock.monotonic();
  const look = async (): Promise<{ world: World; surveyed: Surveyed[] }> => {
    const world = await intake(clock.monotonic());
    return { world, surveyed: survey.all(world, clock.now(), 'schedule') };
  };
  let { world, surveyed } = await look();
  const asked = force ? survey.all(world, clock.now(), 'person') : surveyed;
  refresher.start(asked, world, force ? 'person' : 'schedule', false);
  for (let retried = false; refresher.inFlight > 0; ) {
    await refresher.settled();
    ({ world, surveyed } = await look());
    const retries = surveyed.flatMap(({ plan, history }) =>
      history.verdict?.kind === 'lost' && plan.at !== null ? [plan.at] : [],
    );
    const next = Math.min(...retries) - clock.now();
    if (retried || retries.length === 0 || next > patience) break;
    retried = true;
    await clock.sleep(next + 0.01); // timers may be early by a fraction of a millisecond
    ({ world, surveyed } = await look());
    refresher.start(surveyed, world, 'schedule', false);
  }
  const rendered = clock.monotonic();
  const published = await publisher.publish(world);
  const ended = clock.monotonic();
  const times = { took: ended - began, rendering: ended - rendered };
  const cycle: Cycle = { world, surveyed, published, cause: 'start', ...times };
  report(cycle);
  return cycle;
}
