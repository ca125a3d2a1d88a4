import { setTimeout as sleep } from 'node:timers/promises';
import { expect, onTestFinished, test } from 'vitest';
import { until } from '../fixtures/program.js';
import { type Sample, sampleRows, table, unevenness } from './flat.js';
import { apparent, machineTime, really, wallSince } from './rate.js';
import { startDaemon } from './started.js';
import { LIFETIME, surroundings, TOKENS } from './surroundings.js';

/** All times are seconds of the soak, but where they are said to be others. */
const MINUTE = 60;
const HOUR = 60 * MINUTE;
const LOOK_EVERY = 10;
const SAMPLE_EVERY = 5 * MINUTE;
const AHEAD = 3 * HOUR;
/** The daemon looks at everything so often, whether or not anything tells it to: no event tells of a mount. */
const INTERVAL = 5 * MINUTE;
/** Pauses between tries grow with the trouble, up to this, and are waited for when it is over. */
const LONGEST_PAUSE = 15 * MINUTE;
const SLACK = 10;
/** From one refresh of a token to the next: it begins when a third of the lifetime is left. */
const SOONEST = (LIFETIME * 2) / 3 - SLACK;

interface Phase {
  readonly name: string;
  readonly begin?: () => unknown;
  readonly lasts: number;
  readonly end?: () => unknown;
  /** Until all tokens are as they should be again; null where they are so all the time. */
  readonly recoversWithin: number | null;
}

test('an hour in which the clock, the disk, the network and the parent disappear', async () => {
  const machineNow = Date.now;
  const began = machineTime();
  // The authorization server lives as fast as the daemon.
  Date.now = () => wallSince(began) * 1000;
  onTestFinished(() => {
    Date.now = machineNow;
  });
  const { root, disk, server, line, stale } = await surroundings();
  const daemon = await startDaemon(root.path, began);
  const failures: string[] = [];
  const samples: Sample[] = [];
  const told: string[][] = [['phase', 'from minute', 'troubled tokens', 'all well again after', 'token requests']];
  const clockSet: number[] = [];
  let ahead = 0;
  let troubledFor = 0;

  const elapsed = (): number => apparent(machineTime() - began);
  const pass = (seconds: number): Promise<void> => sleep(really(seconds) * 1000);
  const look = (): Promise<string[]> => stale(() => wallSince(began) + ahead);
  const setAhead = (seconds: number): Promise<void> => {
    ahead = seconds;
    clockSet.push(elapsed());
    return daemon.setAhead(seconds);
  };
  /** A request that the line loses on its way back is lost for good, and no daemon could help it. */
  const cutWhenQuiet = async (): Promise<void> => {
    await until(() => !line.isBusy, 'a moment without requests');
    line.cut();
  };
  const sample = async (): Promise<void> => {
    const at = elapsed();
    const condition = await daemon.condition();
    if (condition) samples.push({ at, ...condition });
    else failures.push(`no answer from the daemon in minute ${(at / MINUTE).toFixed(1)}`);
  };
  const sampling = setInterval(() => void sample(), really(SAMPLE_EVERY) * 1000);
  onTestFinished(() => clearInterval(sampling));

  const run = async ({ name, begin, lasts, end, recoversWithin }: Phase): Promise<void> => {
    const from = elapsed();
    const asked = server.asked;
    let most: string[] = [];
    const see = async (): Promise<string[]> => {
      const found = await look();
      if (found.length > most.length) most = found;
      return found;
    };
    await begin?.();
    while (elapsed() < from + lasts) {
      await pass(LOOK_EVERY);
      await see();
    }
    await end?.();
    const ended = elapsed();
    let well = ended;
    if (recoversWithin === null) {
      if (most.length > 0) failures.push(`${name}: ${most.length} tokens were not well: ${most[0]}`);
    } else {
      let troubled = await see();
      while (troubled.length > 0 && elapsed() < ended + recoversWithin) {
        await pass(LOOK_EVERY);
        troubled = await see();
      }
      well = elapsed();
      troubledFor += well - from;
      if (troubled.length > 0) failures.push(`${name}: ${troubled.length} tokens did not recover: ${troubled[0]}`);
    }
    const again = recoversWithin === null ? '' : `${Math.round(well - ended)} s`;
    told.push([name, (from / MINUTE).toFixed(1), String(most.length), again, String(server.asked - asked)]);
  };
  const calm = (until: number): Phase => ({ name: 'calm', lasts: until - elapsed(), recoversWithin: null });

  const onDisk: readonly Phase[] = disk
    ? [
        {
          name: 'the disk is full',
          begin: () => disk.fill(),
          lasts: 5 * MINUTE,
          end: () => disk.free(),
          recoversWithin: LONGEST_PAUSE + 2 * MINUTE,
        },
        {
          name: 'the disk is read-only',
          begin: () => disk.setReadOnly(true),
          lasts: 5 * MINUTE,
          end: () => disk.setReadOnly(false),
          recoversWithin: LONGEST_PAUSE + 2 * MINUTE,
        },
        {
          name: 'the disk is gone',
          begin: () => disk.takeAway(),
          lasts: 5 * MINUTE,
          end: () => disk.giveBack(),
          recoversWithin: INTERVAL + 2 * MINUTE,
        },
      ]
    : [];
  if (!disk) console.log('Nothing can be mounted here: the phases without a disk are left out.');
  const phases: readonly Phase[] = [
    { name: 'start', lasts: 0, recoversWithin: 3 * MINUTE },
    { name: 'calm', lasts: 5 * MINUTE, recoversWithin: null },
    { name: 'the clock is set 3 h ahead', begin: () => setAhead(AHEAD), lasts: 0, recoversWithin: 3 * MINUTE },
    { name: 'calm', lasts: 2 * MINUTE, recoversWithin: null },
    { name: 'the clock is set right', begin: () => setAhead(0), lasts: 0, recoversWithin: 3 * MINUTE },
    { name: 'calm', lasts: 2 * MINUTE, recoversWithin: null },
    ...onDisk.flatMap((phase) => [phase, { name: 'calm', lasts: MINUTE, recoversWithin: null }]),
    {
      name: 'the network is away',
      begin: cutWhenQuiet,
      lasts: 5 * MINUTE,
      end: () => line.mend(),
      recoversWithin: LONGEST_PAUSE + 2 * MINUTE,
    },
    { name: 'calm', lasts: 2 * MINUTE, recoversWithin: null },
    {
      name: 'the parent is killed',
      begin: () => daemon.parent.kill('SIGKILL'),
      lasts: 4 * MINUTE,
      recoversWithin: null,
    },
  ];
  for (const phase of phases) {
    await run(phase);
    if (daemon.isAlive()) continue;
    failures.push(`${phase.name}: the daemon is no more`);
    break;
  }
  // However long all recoveries took, the end is calm for so long that it shows what has leaked.
  if (daemon.isAlive()) await run(calm(Math.max(HOUR + MINUTE, elapsed() + 11 * MINUTE)));
  clearInterval(sampling);
  const whole = elapsed();

  failures.push(...server.refused.map((why) => `the authorization server refused: ${why}`));
  // Each was refreshed when it had come to that, and not before, but where the clock was set.
  const times = [...server.issuedAt.values()].map((all) => all.map((at) => at / 1000 - began));
  const gaps = times.flatMap((all) => all.slice(1).map((to, n) => ({ from: all[n] ?? 0, to, first: n === 0 })));
  const early = gaps.filter(({ from, to, first }) => {
    return !first && to - from < SOONEST && !clockSet.some((at) => at >= from - SLACK && at <= to + SLACK);
  });
  if (early.length > 0) failures.push(`${early.length} refreshes that no lifetime called for`);
  const least = TOKENS * Math.floor((whole - troubledFor) / LIFETIME);
  if (server.asked < least) failures.push(`${server.asked} token requests, of at least ${least}`);
  if (server.asked !== gaps.length) failures.push(`${server.asked} token requests brought ${gaps.length} tokens`);
  for (const { pid } of samples) if (pid !== daemon.pid) failures.push(`another process answers: ${pid}`);
  failures.push(...unevenness(samples));

  if (daemon.isAlive()) process.kill(daemon.pid, 'SIGTERM');
  await until(() => !daemon.isAlive(), 'the end of the daemon');
  const { log } = daemon;
  if (!log.trimEnd().endsWith('stopped')) failures.push('the daemon did not stop in good order');
  const leaked = [server.clientSecret, ...server.issued].filter((secret) => log.includes(secret));
  if (leaked.length > 0) failures.push(`${leaked.length} secrets in the log`);

  console.log(`${table(told)}\n\n${table(sampleRows(samples))}\n`);
  console.log(
    `${server.asked} token requests (at least ${least}), ${early.length} early, ${server.refused.length} refused`,
  );
  if (failures.length > 0) console.log(log.slice(-20_000));
  expect(failures).toEqual([]);
});
