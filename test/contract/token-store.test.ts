import { randomBytes } from 'node:crypto';
import { describe, expect, test } from 'vitest';
import { systemClock } from '../../src/adapters/clock.js';
import { sha256 } from '../../src/adapters/digest.js';
import { jsonDocuments } from '../../src/adapters/documents.js';
import { diskFiles } from '../../src/adapters/files/disk-files.js';
import { diskLocks } from '../../src/adapters/locks/disk-locks.js';
import { createCipher } from '../../src/adapters/redis/cipher.js';
import { sharedDocuments } from '../../src/adapters/redis/shared-documents.js';
import { tokenFiles } from '../../src/adapters/token-files.js';
import type { Update } from '../../src/ground/formats/format.js';
import { formatOf } from '../../src/ground/formats/index.js';
import { Secret } from '../../src/ground/secret.js';
import type { Token } from '../../src/ground/token.js';
import { notYetThere } from '../../src/ground/wanted.js';
import { FileError, type Files } from '../../src/ports/files.js';
import type { Saved, TokenStore } from '../../src/ports/stores.js';
import { linkTo } from '../fixtures/redis-link.js';
import { REDIS, RedisServer } from '../fixtures/redis-server.js';
import { Root } from '../fixtures/root.js';

const isSpent = (token: Token): boolean => token.refresh?.reveal() === 'made-up-refresh-spent';

/** A store, and another program that knows the same documents. */
interface Kept {
  readonly store: TokenStore;
  readonly foreign: { read(path: string): string; write(path: string, text: string): Promise<void> };
  /** The other program looks at what there is now. */
  settle(): Promise<void>;
  /** Until it is called again with true, nothing can be written. */
  setWritable(writable: boolean): Promise<void>;
}

async function storeOver(files: Files, root: Root): Promise<TokenStore> {
  const locks = diskLocks(root.path, systemClock, sha256);
  return tokenFiles(files, await jsonDocuments(diskFiles(root.path)), locks, isSpent);
}

async function onDisk(): Promise<Kept> {
  const root = new Root();
  const disk = diskFiles(root.path);
  let isFull = false;
  const unlessFull = (write: Files['write']) => async (path: string, text: string) => {
    if (isFull) throw new FileError('ENOSPC', 'cannot be written: the disk is full');
    return write(path, text);
  };
  const files: Files = {
    ...disk,
    write: unlessFull(disk.write),
    async reserve(path, bytes) {
      const room = await disk.reserve(path, bytes);
      return { ...room, fill: (text) => unlessFull(() => room.fill(text))(path, text) };
    },
  };
  return {
    store: await storeOver(files, root),
    foreign: { read: (path) => root.text(path), write: async (path, text) => void root.write(path, text) },
    settle: async () => undefined,
    async setWritable(writable) {
      isFull = !writable;
    },
  };
}

/** What a machine remembers may be written after the test has ended, when its root is removed. */
const withoutCopy = (root: Root): Files => ({ ...diskFiles(root.path), put: async () => undefined });

async function inRedis(): Promise<Kept> {
  const redis = await RedisServer.start();
  const cipher = createCipher([new Secret(randomBytes(32).toString('base64'))]);
  const root = new Root();
  const machine = async (disk: Root) => {
    const link = await linkTo(redis.environment);
    return sharedDocuments(link, cipher, 'made-up:', withoutCopy(disk));
  };
  const [mine, theirs] = [await machine(root), await machine(new Root())];
  return {
    store: await storeOver(mine, root),
    foreign: {
      read: (path) => theirs.read(path),
      async write(path, text) {
        await theirs.pull();
        await theirs.write(path, text);
        await mine.pull();
      },
    },
    settle: () => theirs.pull(),
    async setWritable(writable) {
      await redis.ask('CONFIG', 'SET', 'maxmemory', writable ? '0' : '1');
    },
  };
}

const FILE = '.oauth-tokens/fault-thing-egress.json';
const STORE = '.kroger_tokens.json';
const pretty = (document: object): string => `${JSON.stringify(document, null, 2)}\n`;

const ONE = {
  provider: 'fault',
  access_token: 'made-up-access-1',
  refresh_token: 'made-up-refresh-1',
  expires_at: 1_700_000_000,
  scopes: ['read', 'write'],
  usage_notes: 'mine',
  nested: { deep: [1, { two: null }] },
};
const user = (name: string): object => ({
  access_token: `made-up-access-${name}`,
  refresh_token: `made-up-refresh-${name}`,
  expires_at: 1_700_000_000,
  note: name,
});
const TWO = { user_tokens: { ann: user('ann'), bob: user('bob') }, last_updated: 1 };

function tokenIn(file: string, document: object, name?: string): Token {
  const tokens = formatOf(file, { ...document }).read(file, { ...document });
  const found = tokens.find(({ at }) => name === undefined || at.includes(name));
  if (!found) throw new Error('is not there');
  return found;
}

function update(n: number | string, refresh = true): Update {
  const grant = {
    access: new Secret(`made-up-access-${n}`),
    refresh: refresh ? new Secret(`made-up-refresh-${n}`) : null,
    expiresIn: 3600,
    refreshExpiresIn: null,
    tokenType: null,
    salvaged: false,
  };
  return { grant, now: 1_800_000_000, expiresAt: 1_800_003_600 };
}

const pair = (token: Saved | null) =>
  token === null || typeof token === 'string' ? token : [token.access?.reveal(), token.refresh?.reveal()];
const WANTED = { definition: 'registry/tokens/machine.json', file: '.oauth-tokens/machine.json', fields: {} };

describe.each([
  ['files on disk', onDisk, true],
  ['documents in Redis', inRedis, REDIS],
] as const)('tokens kept in %s', (name, open, isThere) => {
  describe.skipIf(!isThere)(isThere ? 'are kept' : `redis-server is not installed: ${name} are not tried`, () => {
    test('as they were put there; what is gone is null', async () => {
      const { store, foreign } = await open();
      const token = tokenIn(FILE, ONE);
      expect(await store.reread(token)).toBe(null);
      await foreign.write(FILE, pretty(ONE));
      expect(pair(await store.reread(token))).toEqual(['made-up-access-1', 'made-up-refresh-1']);
    });

    test('with every field of theirs, and their layout', async () => {
      const { store, foreign, settle } = await open();
      const text = JSON.stringify({ ...ONE, big: 0 }, null, 4).replace('"big": 0', '"big": 12345678901234567890');
      await foreign.write(FILE, text);
      const token = tokenIn(FILE, ONE);
      const reservation = await store.reserve(token);
      expect(pair(await reservation.save(update(2)))).toEqual(['made-up-access-2', 'made-up-refresh-2']);
      await settle();
      const after = foreign.read(FILE);
      expect(after).toContain('\n    "big": 12345678901234567890');
      const { access_token, refresh_token, expires_at, ...others } = JSON.parse(after);
      expect([access_token, refresh_token, expires_at]).toEqual([
        'made-up-access-2',
        'made-up-refresh-2',
        1_800_003_600,
      ]);
      const { scopes, usage_notes, nested } = ONE;
      expect(others).toMatchObject({ provider: 'fault', scopes, usage_notes, nested });
      expect(pair(await store.reread(token))).toEqual(['made-up-access-2', 'made-up-refresh-2']);
    });

    test('with the refresh token that was not replaced', async () => {
      const { store, foreign } = await open();
      await foreign.write(FILE, pretty(ONE));
      const reservation = await store.reserve(tokenIn(FILE, ONE));
      expect(pair(await reservation.save(update(2, false)))).toEqual(['made-up-access-2', 'made-up-refresh-1']);
    });

    test('two of one document, saved at once', async () => {
      const { store, foreign, settle } = await open();
      await foreign.write(STORE, pretty(TWO));
      const [ann, bob] = [tokenIn(STORE, TWO, 'ann'), tokenIn(STORE, TWO, 'bob')];
      const saves = [ann, bob].map(async (token, n) => (await store.reserve(token)).save(update(n)));
      expect((await Promise.all(saves)).map(pair)).toEqual([
        ['made-up-access-0', 'made-up-refresh-0'],
        ['made-up-access-1', 'made-up-refresh-1'],
      ]);
      await settle();
      expect(JSON.parse(foreign.read(STORE)).user_tokens).toMatchObject({
        ann: { access_token: 'made-up-access-0', note: 'ann' },
        bob: { access_token: 'made-up-access-1', note: 'bob' },
      });
    });

    test('also where there was no document, if they are wanted', async () => {
      const { store } = await open();
      const token = notYetThere(WANTED);
      expect(await store.reread(token)).toMatchObject({ name: 'machine', wanted: WANTED, access: null });
      expect(pair(await (await store.reserve(token)).save(update(1)))).toEqual([
        'made-up-access-1',
        'made-up-refresh-1',
      ]);
      expect(pair(await store.reread(token))).toEqual(['made-up-access-1', 'made-up-refresh-1']);
    });

    test('but not over what somebody else has put there meanwhile', async () => {
      const { store, foreign, settle } = await open();
      await foreign.write(FILE, pretty(ONE));
      const reservation = await store.reserve(tokenIn(FILE, ONE));
      const theirs = pretty({ ...ONE, access_token: 'made-up-access-9', refresh_token: 'made-up-refresh-9' });
      await foreign.write(FILE, theirs);
      expect(await reservation.save(update(2))).toBe('superseded');
      await settle();
      expect(foreign.read(FILE)).toBe(theirs);
    });

    test('over what was spent before, which somebody has written back', async () => {
      const { store, foreign, settle } = await open();
      await foreign.write(FILE, pretty(ONE));
      const reservation = await store.reserve(tokenIn(FILE, ONE));
      await foreign.write(FILE, pretty({ ...ONE, refresh_token: 'made-up-refresh-spent' }));
      expect(pair(await reservation.save(update(2)))).toEqual(['made-up-access-2', 'made-up-refresh-2']);
      await settle();
      expect(JSON.parse(foreign.read(FILE)).refresh_token).toBe('made-up-refresh-2');
      // Later, and without a request.
      await foreign.write(FILE, pretty({ ...ONE, refresh_token: 'made-up-refresh-spent' }));
      expect(pair(await store.restore(tokenIn(FILE, ONE), update(3)))).toEqual([
        'made-up-access-3',
        'made-up-refresh-3',
      ]);
    });

    test('when their place is back, which was gone', async () => {
      const { store, foreign } = await open();
      await foreign.write(STORE, pretty(TWO));
      const reservation = await store.reserve(tokenIn(STORE, TWO, 'ann'));
      const { ann, ...others } = TWO.user_tokens;
      await foreign.write(STORE, pretty({ ...TWO, user_tokens: others }));
      expect(await reservation.save(update(2))).toBe('away');
      await foreign.write(STORE, pretty(TWO));
      expect(pair(await reservation.save(update(2)))).toEqual(['made-up-access-2', 'made-up-refresh-2']);
    });

    test('beside what somebody else has changed of the rest', async () => {
      const { store, foreign, settle } = await open();
      await foreign.write(FILE, pretty(ONE));
      const reservation = await store.reserve(tokenIn(FILE, ONE));
      await foreign.write(FILE, pretty({ ...ONE, usage_notes: 'theirs' }));
      expect(pair(await reservation.save(update(2)))).toEqual(['made-up-access-2', 'made-up-refresh-2']);
      await settle();
      expect(JSON.parse(foreign.read(FILE)).usage_notes).toBe('theirs');
    });

    test('at the next try, when one has failed; a save that was made is not taken for another’s', async () => {
      const { store, foreign, setWritable, settle } = await open();
      await foreign.write(FILE, pretty(ONE));
      const reservation = await store.reserve(tokenIn(FILE, ONE));
      await setWritable(false);
      await expect(reservation.save(update(2))).rejects.toMatchObject({ name: 'FileError' });
      await settle();
      expect(foreign.read(FILE)).toBe(pretty(ONE));
      await setWritable(true);
      expect(pair(await reservation.save(update(2)))).toEqual(['made-up-access-2', 'made-up-refresh-2']);
      expect(pair(await reservation.save(update(2)))).toEqual(['made-up-access-2', 'made-up-refresh-2']);
    });

    test('not at all, when they were only reserved', async () => {
      const { store, foreign, settle } = await open();
      await foreign.write(FILE, pretty(ONE));
      await (await store.reserve(tokenIn(FILE, ONE))).release();
      await settle();
      expect(foreign.read(FILE)).toBe(pretty(ONE));
    });

    test('when they are brought, with fields of their own, over what is there', async () => {
      const { store, foreign, settle } = await open();
      const place = { name: 'thing', file: FILE, at: [] };
      await store.bring(place, { provider: 'fault', source: 'login' }, update(1));
      await settle();
      expect(JSON.parse(foreign.read(FILE))).toMatchObject({ source: 'login', access_token: 'made-up-access-1' });
      await foreign.write(FILE, pretty(ONE));
      await store.bring(place, { source: 'login' }, update(3));
      await settle();
      const { scopes, nested } = ONE;
      expect(JSON.parse(foreign.read(FILE))).toMatchObject({
        scopes,
        nested,
        source: 'login',
        access_token: 'made-up-access-3',
      });
      await foreign.write(STORE, pretty(TWO));
      await store.bring({ name: 'bob', file: STORE, at: ['user_tokens', 'bob'] }, {}, update(4));
      await settle();
      expect(JSON.parse(foreign.read(STORE)).user_tokens).toMatchObject({
        ann: user('ann'),
        bob: { access_token: 'made-up-access-4', note: 'bob' },
      });
    });

    test.each(['{"access_token": "made', '[1]', ''])('never over a document that is broken: %j', async (broken) => {
      const { store, foreign, settle } = await open();
      await foreign.write(FILE, pretty(ONE));
      const token = tokenIn(FILE, ONE);
      const reservation = await store.reserve(token);
      await foreign.write(FILE, broken);
      expect(await store.reread(token)).toBe(null);
      await expect(reservation.save(update(2))).rejects.toMatchObject({ code: 'EBUSY' });
      await expect(store.bring(token, {}, update(2))).rejects.toMatchObject({ name: 'FileError' });
      await settle();
      expect(foreign.read(FILE)).toBe(broken);
      // Mended, it takes what is still in hand.
      await foreign.write(FILE, pretty(ONE));
      expect(pair(await reservation.save(update(2)))).toEqual(['made-up-access-2', 'made-up-refresh-2']);
    });
  });
});

test.skipIf(!REDIS)('documents in Redis: of two that write over one state, the second is told', async () => {
  const redis = await RedisServer.start();
  const cipher = createCipher([new Secret(randomBytes(32).toString('base64'))]);
  const machine = async () => {
    const link = await linkTo(redis.environment);
    // Nobody tells it of changes: as one that was stopped.
    return sharedDocuments({ ...link, subscribe: () => undefined }, cipher, '', withoutCopy(new Root()));
  };
  const [one, other] = [await machine(), await machine()];
  await one.write(FILE, 'first');
  await other.pull();
  await other.write(FILE, 'second');
  await expect(one.write(FILE, 'late')).rejects.toMatchObject({ code: 'ECONFLICT' });
  expect(one.read(FILE)).toBe('second');
  await one.write(FILE, 'third');
  await other.pull();
  expect(other.read(FILE)).toBe('third');
});
