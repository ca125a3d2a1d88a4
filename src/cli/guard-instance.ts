import type { Claim } from '../ports/instance.js';
import type { Log } from '../ports/log.js';

/** How often the daemon makes sure that it is the one that others know of, beside each cycle; milliseconds. */
const EVERY = 2000;

/** What is done about an instance lock that has gone. */
export interface Lost {
  /** Its state folder was removed, and is there again. */
  regained(): void;
  /** Another one is the instance now: this one has to end. */
  taken(): void;
}

export interface InstanceGuard {
  /** Whether this is the instance, and its root is there; false while nothing may be written. */
  confirm(): Promise<boolean>;
  stop(): void;
}

/**
 * A daemon that `status`, `stop` and a second start do not know of must not go on: somebody removes the state folder,
 * moves the root, or unmounts it.
 */
export function guardInstance(claim: Claim, log: Log, { regained, taken }: Lost): InstanceGuard {
  let away = false;
  let over = false;
  const confirmNow = async (): Promise<boolean> => {
    if (over) return false;
    const now = await claim.confirm();
    if ((now === 'away') !== away) {
      away = now === 'away';
      if (away) log.error('SCAN', 'the root was moved away or unmounted; nothing is written until it is back');
      else log.info('SCAN', 'the root is back');
    }
    if (now === 'regained') {
      log.warning('SCAN', 'the instance lock had gone and was taken again: was .token-refresher removed?');
      regained();
    }
    if (now === 'taken') {
      over = true;
      log.error('STOP', 'another instance has taken over; this one ends');
      taken();
    }
    return now === 'held' || now === 'regained';
  };
  let running: Promise<boolean> | null = null;
  const confirm = (): Promise<boolean> => {
    running ??= confirmNow().finally(() => {
      running = null;
    });
    return running;
  };
  const timer = setInterval(() => {
    confirm().catch((error: Error) => log.error('SCAN', `the instance lock: ${error.message}`));
  }, EVERY);
  timer.unref();
  return { confirm, stop: () => clearInterval(timer) };
}
