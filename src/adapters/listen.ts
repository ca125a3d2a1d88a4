import { randomBytes, timingSafeEqual } from 'node:crypto';
import { existsSync, lstatSync, unlinkSync } from 'node:fs';
import { connect } from 'node:net';
import { dirname, resolve } from 'node:path';
import type { ApiKey, Listen, SameSecret } from '../ports/api.js';
import { codeOf, FileError, type Files } from '../ports/files.js';

/** Bytes of a socket's path: `sun_path` in unix(7), and in unix(4) of macOS. */
const LONGEST = process.platform === 'linux' ? 107 : 103;

/** Loopback or wherever it is told; a socket in the file system is its owner's alone. */
export const listen: Listen = async (server, where, root) => {
  if (where.kind === 'tcp') {
    try {
      return await server.listen({ host: where.host, port: where.port });
    } catch (error) {
      throw new Error(`the API cannot listen at ${where.host}:${where.port}: ${reasonOf(error)}`, { cause: error });
    }
  }
  const path = resolve(root, where.path);
  // Both are looked for here: libuv calls the one a lack of permission, and cuts the other off without a word.
  if (!existsSync(dirname(path))) throw new Error(`the API cannot listen at ${path}: its folder does not exist`);
  if (Buffer.byteLength(path) > LONGEST) throw new Error(`the API cannot listen at ${path}: the path is too long`);
  await removeDead(path);
  // Made with its final permissions: between making and changing them anybody could connect.
  const before = process.umask(0o177);
  try {
    await server.listen({ path });
  } catch (error) {
    throw new Error(`the API cannot listen at ${path}: ${reasonOf(error)}`, { cause: error });
  } finally {
    process.umask(before);
  }
  return `unix:${path}`;
};

/** A socket that nobody listens at was left by a process that was killed. */
async function removeDead(path: string): Promise<void> {
  const found = lstatSync(path, { throwIfNoEntry: false });
  if (!found) return;
  if (!found.isSocket()) throw new Error(`the API cannot listen at ${path}: it is there already, and no socket`);
  const alive = await new Promise<boolean>((done) => {
    const socket = connect(path);
    socket.once('connect', () => done(true));
    socket.once('error', () => done(false));
    socket.once('connect', () => socket.destroy());
  });
  if (alive) throw new Error(`the API cannot listen at ${path}: another program does`);
  unlinkSync(path);
}

function reasonOf(error: unknown): string {
  const reasons: Readonly<Record<string, string>> = {
    EADDRINUSE: 'another program does; name another port: --api 127.0.0.1:PORT',
    EADDRNOTAVAIL: 'this machine has no such address',
    EACCES: 'permission denied',
  };
  return reasons[codeOf(error)] ?? codeOf(error);
}

const KEY = '.token-refresher/api-key';
/** Characters; shorter ones are not ours. */
const SHORTEST = 16;

/** `.token-refresher/api-key`, readable by its owner alone. */
export function apiKeyFile(files: Files): ApiKey {
  return async () => {
    if (files.look(KEY)) {
      const key = files.read(KEY).trim();
      if (key.length >= SHORTEST && /^\S+$/.test(key)) return key;
      throw new FileError('EINVAL', `${KEY} is no key of ${SHORTEST} characters or more; remove it, and one is made`);
    }
    const key = randomBytes(32).toString('base64url');
    await files.write(KEY, `${key}\n`);
    return key;
  };
}

/** How long the key is, is no secret. */
export const sameSecret: SameSecret = (a, b) => {
  const [one, other] = [Buffer.from(a), Buffer.from(b)];
  return one.length === other.length && timingSafeEqual(one, other);
};
