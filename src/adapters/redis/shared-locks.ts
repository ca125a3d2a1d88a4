import { randomBytes } from 'node:crypto';
import type { Clock } from '../../ports/clock.js';
import { FileError } from '../../ports/files.js';
import type { Lock, Locks } from '../../ports/locks.js';
import type { RedisLink } from './link.js';

/** Seconds: longer than any request of whoever holds it. */
const LEASE = 90;
const RENEW_EVERY = 30;
const LOOK_EVERY = 0.1;
/** Seconds for which a holder's connection is gone until it is taken for dead: longer than connecting anew takes. */
const DEAD_AFTER = 1.5;

interface Owner {
  readonly owner: string;
  /** The connection, and the start of the server that counts it. */
  readonly client: string;
  readonly run: string;
}

const RELEASE = `if redis.call('GET', KEYS[1]) == ARGV[1] then return redis.call('DEL', KEYS[1]) else return 0 end`;
const RENEW = `
local there = redis.call('GET', KEYS[1])
if not there or cjson.decode(there).owner ~= ARGV[1] then return 0 end
redis.call('SET', KEYS[1], ARGV[2], 'PX', ARGV[3])
return 1`;

/**
 * Leases in Redis. One whose holder was killed is free as soon as Redis has noticed for a while that its connection
 * is gone; of one that is merely silent nobody can tell, and it ends with its time. `patience` bounds the wait for a
 * Redis that is away; `acquired` is called with each lock in hand.
 */
export function sharedLocks(
  link: RedisLink,
  namespace: string,
  clock: Clock,
  { acquired, awayPatience }: { readonly acquired: () => Promise<void>; readonly awayPatience: number },
): Locks {
  const identity = async (owner: string): Promise<Owner> => ({
    owner,
    client: String(await link.send<number>('CLIENT', 'ID')),
    run: await runOf(link),
  });

  const holderIsGone = async (text: string): Promise<boolean> => {
    const { client, run } = JSON.parse(text) as Owner;
    if (run !== (await runOf(link))) return false;
    return (await link.send<string>('CLIENT', 'LIST', 'ID', client)).trim() === '';
  };

  const hold = (key: string, mine: Owner): Lock => {
    let renewedAt = clock.monotonic();
    let over = false;
    let lost = false;
    const renew = async (): Promise<void> => {
      if (over) return;
      const next = await identity(mine.owner);
      const kept = await link.send<number>(
        'EVAL',
        RENEW,
        '1',
        key,
        mine.owner,
        JSON.stringify(next),
        String(LEASE * 1000),
      );
      if (kept === 1) renewedAt = clock.monotonic();
      else lost = true;
      text = JSON.stringify(next);
    };
    let text = JSON.stringify(mine);
    const timer = setInterval(() => void renew().catch(() => undefined), RENEW_EVERY * 1000);
    timer.unref();
    // A new connection is another client to Redis: until it is told, the lock seems to be a dead one's.
    const stop = link.onConnected(() => void renew().catch(() => undefined));
    return {
      get lost() {
        return lost || clock.monotonic() - renewedAt > LEASE;
      },
      async release() {
        over = true;
        stop();
        clearInterval(timer);
        // When it cannot be told it ends with its time.
        await link.send('EVAL', RELEASE, '1', key, text).catch(() => undefined);
      },
    };
  };

  return {
    async acquire(name, patience) {
      const key = `${namespace}shared:lock:${name}`;
      const began = clock.monotonic();
      let gone = null as { readonly text: string; readonly since: number } | null;
      for (;;) {
        const waited = clock.monotonic() - began;
        try {
          const mine = await identity(randomBytes(12).toString('hex'));
          const got = await link.send<string | null>(
            'SET',
            key,
            JSON.stringify(mine),
            'NX',
            'PX',
            String(LEASE * 1000),
          );
          if (got !== null) {
            const lock = hold(key, mine);
            try {
              await acquired();
            } catch (error) {
              await lock.release();
              throw error;
            }
            return lock;
          }
          const text = await link.send<string | null>('GET', key);
          if (text === null || !(await holderIsGone(text))) gone = null;
          else if (gone?.text !== text) gone = { text, since: clock.monotonic() };
          else if (clock.monotonic() - gone.since > DEAD_AFTER) await link.send('EVAL', RELEASE, '1', key, text);
        } catch (error) {
          if (waited > Math.min(patience, awayPatience)) {
            throw new FileError(
              'EREDIS',
              'waits for Redis, which cannot be reached; nothing is spent until it is back',
              error,
            );
          }
        }
        if (waited > patience) return null;
        await clock.sleep(LOOK_EVERY * (0.5 + clock.random()));
      }
    },
  };
}

const runs = new WeakMap<RedisLink, { readonly epoch: number; readonly run: Promise<string> }>();

/** The identity of this start of the server; asked for once a connection. */
function runOf(link: RedisLink): Promise<string> {
  const known = runs.get(link);
  if (known?.epoch === link.epoch) return known.run;
  const run = link.send<string>('INFO', 'server').then((info) => /run_id:(\w+)/.exec(info)?.[1] ?? '');
  runs.set(link, { epoch: link.epoch, run });
  run.catch(() => runs.delete(link));
  return run;
}
