import { spawnSync } from 'node:child_process';
import { closeSync, constants, openSync, readSync, renameSync, statSync } from 'node:fs';
import { expect, it } from 'vitest';
import { createLog } from '../../src/adapters/log.js';
import { Root } from '../fixtures/root.js';

const settle = (): Promise<void> => Promise.resolve();

function logIn(root: Root, more: object = {}) {
  const options = { level: 'INFO', format: 'text', stderr: false, maxSize: 1024, maxFiles: 3, ...more } as const;
  return createLog({ ...options, file: root.full('a.log') });
}

it('is a line an event, whatever is in it, from the level on', async () => {
  const root = new Root();
  const log = logIn(root);
  log.debug('CHECK', 'not this');
  log.info('SCAN', 'two\nlines\u2028and more');
  log.warning('CONFIG', 'b');
  log.error('API', 'c');
  await settle();
  const fields = root
    .text('a.log')
    .trimEnd()
    .split('\n')
    .map((line) => line.split(' - ').slice(1));
  expect(fields).toEqual([
    ['INFO', 'SCAN', 'two lines and more'],
    ['WARNING', 'CONFIG', 'b'],
    ['ERROR', 'API', 'c'],
  ]);
  expect(root.mode('a.log')).toBe(0o600);
});

it('is JSON on demand, with what a line is about', async () => {
  const root = new Root();
  logIn(root, { format: 'json' }).info('REFRESH', 'm', { token: 't' });
  await settle();
  expect(root.json('a.log')).toMatchObject({ level: 30, kind: 'REFRESH', token: 't', msg: 'm' });
});

it('is rotated by size, keeps as many files as it is told, and opens anew what was moved', async () => {
  const root = new Root();
  const log = logIn(root);
  for (let n = 0; n < 8; n += 1) {
    log.info('SCAN', `${n} ${'x'.repeat(600)}`);
    await settle();
  }
  expect(['a.log', 'a.log.1', 'a.log.2', 'a.log.3'].map((name) => root.has(name))).toEqual([true, true, true, false]);
  expect(root.text('a.log')).toContain('7 xxx');
  renameSync(root.full('a.log'), root.full('moved'));
  log.reopen();
  log.info('SCAN', 'after');
  await settle();
  expect(root.text('a.log')).toContain('after');
  expect(root.text('moved')).not.toContain('after');
});

it('is rotated between the lines of a burst, which come at one moment', async () => {
  const root = new Root();
  const log = logIn(root, { maxSize: 1000, maxFiles: 5 });
  for (let n = 0; n < 30; n += 1) log.info('SCAN', `line ${n} ${'x'.repeat(100)}`);
  await settle();
  const names = ['a.log.4', 'a.log.3', 'a.log.2', 'a.log.1', 'a.log'];
  for (const name of names) expect(Buffer.byteLength(root.text(name))).toBeLessThanOrEqual(1000);
  const kept = names.flatMap((name) => [...root.text(name).matchAll(/ line (\d+) /g)].map(([, n]) => Number(n)));
  expect(kept.length).toBeGreaterThan(20);
  expect(kept).toEqual(kept.map((_, index) => 30 - kept.length + index));
});

it('a line that is longer than a file may be is written all the same, into a file of its own', async () => {
  const root = new Root();
  const log = logIn(root, { maxSize: 500, maxFiles: 3 });
  for (const text of ['before', 'y'.repeat(2000), 'after']) log.info('SCAN', text);
  await settle();
  expect(['a.log.2', 'a.log.1', 'a.log'].map((name) => root.text(name).match(/before|y{2000}|after/g))).toEqual([
    ['before'],
    ['y'.repeat(2000)],
    ['after'],
  ]);
});

it.skipIf(spawnSync('mkfifo', ['--version']).error)(
  'what is no file is not put aside, as /dev/null must not be',
  async () => {
    const root = new Root();
    spawnSync('mkfifo', [root.full('a.log')]);
    const reader = openSync(root.full('a.log'), constants.O_RDONLY | constants.O_NONBLOCK);
    const log = logIn(root, { maxSize: 100 });
    for (let n = 0; n < 5; n += 1) {
      log.info('SCAN', `line ${n} ${'x'.repeat(100)}`);
      await settle();
    }
    expect(root.has('a.log.1')).toBe(false);
    expect(statSync(root.full('a.log')).isFIFO()).toBe(true);
    const read = Buffer.alloc(4096);
    expect(read.toString('utf8', 0, readSync(reader, read)).match(/line \d/g)).toHaveLength(5);
    closeSync(reader);
  },
);
