import { randomBytes } from 'node:crypto';
import { placeKey } from '../../ground/file-name.js';
import type { Clock } from '../../ports/clock.js';
import { FileError } from '../../ports/files.js';
import type { Lock, LockPlace, Locks } from '../../ports/locks.js';
import { CONNECTED_AGAIN_AFTER, type RedisLink, troubleOf } from './link.js';

/** Seconds: longer than any request of whoever holds it. */
const LEASE = 90;
const RENEW_EVERY = 30;
const LOOK_EVERY = 0.1;
/**
 * Seconds for which a holder's connection is gone until it is taken for dead, where a request of it may be under way:
 * it may be cut off from Redis alone, and what it has asked for is lost to others who ask again. Where it was killed,
 * servers with a grace window (30 s and more) still give the answer once more.
 */
const DEAD_AFTER_ASKING = 20;

interface Owner {
  readonly owner: string;
  /** The connection, and the start of the server that counts it. */
  readonly client: string;
  readonly run: string;
}

/** An owner as it stands in its lock, and the connection that this process had when it was written. */
interface Claim {
  readonly owner: string;
  readonly text: string;
  readonly epoch: number;
}

const RELEASE = `
local there = redis.call('GET', KEYS[1])
if there and cjson.decode(there).owner == ARGV[1] then return redis.call('DEL', KEYS[1]) else return 0 end`;
const BREAK = `if redis.call('GET', KEYS[1]) == ARGV[1] then return redis.call('DEL', KEYS[1]) else return 0 end`;
/** A lock that Redis has lost is taken again (2), so that others wait for what is under way. */
const RENEW = `
local there = redis.call('GET', KEYS[1])
if there and cjson.decode(there).owner ~= ARGV[1] then return 0 end
redis.call('SET', KEYS[1], ARGV[2], 'PX', ARGV[3])
return there and 1 or 2`;

export interface SharedLocksParts {
  /** Called with each lock in hand. */
  readonly acquired: () => Promise<void>;
  /** Whether a request of the holder may be under way. */
  readonly isAsking: (place: LockPlace) => Promise<boolean>;
  /** Seconds; bounds the wait for a Redis that is away. */
  readonly awayPatience: number;
}

/**
 * Leases in Redis. One whose holder was killed is free as soon as Redis has noticed for a while that its connection
 * is gone; of one that is merely silent nobody can tell, and it ends with its time.
 */
export function sharedLocks(
  link: RedisLink,
  namespace: string,
  clock: Clock,
  { acquired, isAsking, awayPatience }: SharedLocksParts,
): Locks {
  const claim = async (owner: string): Promise<Claim> => {
    const { epoch } = link;
    const client = String(await link.send<number>('CLIENT', 'ID'));
    const { run } = await serverOf(link, clock);
    return { owner, epoch, text: JSON.stringify({ owner, client, run } satisfies Owner) };
  };

  /** Seconds for which its holder's connection has to be gone; null while it is not. */
  const deadAfter = async (place: LockPlace, text: string): Promise<number | null> => {
    const { client, run } = JSON.parse(text) as Owner;
    // A server that was restarted knows no connection of before: whoever lives tells it who it is.
    if (run !== (await serverOf(link, clock)).run) return DEAD_AFTER_ASKING;
    if ((await link.send<string>('CLIENT', 'LIST', 'ID', client)).trim() !== '') return null;
    return (await isAsking(place)) ? DEAD_AFTER_ASKING : CONNECTED_AGAIN_AFTER;
  };

  const hold = (key: string, first: Claim, takenAt: Moment): Lock => {
    const { owner } = first;
    let sure = { epoch: first.epoch, at: takenAt };
    let over = false;
    let lost = false;
    let renewing: Promise<void> = Promise.resolve();
    const renew = async (): Promise<void> => {
      if (over) return;
      const at = momentOf(clock);
      const { text, epoch } = await claim(owner);
      const kept = await link.send<number>('EVAL', RENEW, '1', key, owner, text, String(LEASE * 1000));
      if (kept === 1) sure = { epoch, at };
      else lost = true;
    };
    const renewNext = (): void => {
      renewing = renewing.then(renew).catch(() => undefined);
    };
    const timer = setInterval(renewNext, RENEW_EVERY * 1000);
    timer.unref();
    // A new connection is another client to Redis: until it is told, the lock seems to be a dead one's.
    const stopRenewing = link.onConnected(renewNext);
    if (link.epoch !== first.epoch) renewNext();
    const isLost = (): boolean =>
      lost || !link.connected || link.epoch !== sure.epoch || secondsSince(clock, sure.at) > LEASE;
    return {
      get lost() {
        return isLost();
      },
      async isStillHeld() {
        const text = await link.send<string | null>('GET', key).catch(() => null);
        return !isLost() && text !== null && (JSON.parse(text) as Owner).owner === owner;
      },
      async release() {
        over = true;
        stopRenewing();
        clearInterval(timer);
        await renewing;
        const free = () => link.send('EVAL', RELEASE, '1', key, owner);
        await free().catch(() => {
          // When it cannot be told then either, it ends with its time.
          const stop = link.onConnected(() => {
            stop();
            free().catch(() => undefined);
          });
        });
      },
    };
  };

  return {
    async acquire(place, patience) {
      const key = `${namespace}shared:lock:${placeKey(place)}`;
      const owner = randomBytes(12).toString('hex');
      const began = clock.monotonic();
      let gone = null as { readonly text: string; readonly since: number } | null;
      let mayBeOurs = false;
      const giveUp = async (): Promise<void> => {
        if (mayBeOurs) await link.send('EVAL', RELEASE, '1', key, owner).catch(() => undefined);
      };
      for (;;) {
        const waited = clock.monotonic() - began;
        try {
          const mine = await claim(owner);
          const takenAt = momentOf(clock);
          const isSettled = clock.monotonic() >= (await serverOf(link, clock)).settledAt;
          mayBeOurs ||= isSettled;
          const got =
            isSettled && (await link.send<string | null>('SET', key, mine.text, 'NX', 'PX', String(LEASE * 1000)));
          const text = got ? mine.text : await link.send<string | null>('GET', key);
          // Asked again after a connection broke, it finds what it has taken itself.
          if (text !== null && (JSON.parse(text) as Owner).owner === owner) {
            const lock = hold(key, { ...mine, epoch: text === mine.text ? mine.epoch : -1 }, takenAt);
            try {
              await acquired();
            } catch (error) {
              await lock.release();
              throw error;
            }
            return lock;
          }
          const after = text === null ? null : await deadAfter(place, text);
          if (text === null || after === null) gone = null;
          else if (gone?.text !== text) gone = { text, since: clock.monotonic() };
          else if (clock.monotonic() - gone.since > after) await link.send('EVAL', BREAK, '1', key, text);
        } catch (error) {
          if (waited > Math.min(patience, awayPatience)) {
            await giveUp();
            throw new FileError('EREDIS', `waits for Redis, which ${troubleOf(error)}`, error);
          }
        }
        if (waited > patience) {
          await giveUp();
          return null;
        }
        await clock.sleep(LOOK_EVERY * (0.5 + clock.random()));
      }
    },
  };
}

/** By both clocks: the steady one may stand still while the machine sleeps, and the other one may be set. */
interface Moment {
  readonly steady: number;
  readonly wall: number;
}

function momentOf(clock: Clock): Moment {
  return { steady: clock.monotonic(), wall: clock.now() };
}

function secondsSince(clock: Clock, { steady, wall }: Moment): number {
  return Math.max(clock.monotonic() - steady, clock.now() - wall);
}

interface Server {
  /** The identity of this start of it. */
  readonly run: string;
  /** As the clock's `monotonic`: one that has just been started may have lost locks; their holders take them again. */
  readonly settledAt: number;
}

const servers = new WeakMap<RedisLink, { readonly epoch: number; readonly server: Promise<Server> }>();

/** Asked for once a connection. */
function serverOf(link: RedisLink, clock: Clock): Promise<Server> {
  const known = servers.get(link);
  const { epoch } = link;
  if (known?.epoch === epoch) return known.server;
  const server = (async () => {
    const before = await known?.server.catch(() => undefined);
    const info = await link.send<string>('INFO', 'server');
    const run = /run_id:(\w+)/.exec(info)?.[1] ?? '';
    const up = Number(/uptime_in_seconds:(\d+)/.exec(info)?.[1] ?? LEASE);
    const isOther = before ? before.run !== run : up < CONNECTED_AGAIN_AFTER;
    const settledAt = isOther ? clock.monotonic() + CONNECTED_AGAIN_AFTER - up : (before?.settledAt ?? 0);
    return { run, settledAt };
  })();
  servers.set(link, { epoch, server });
  server.catch(() => servers.get(link)?.server === server && servers.delete(link));
  return server;
}
