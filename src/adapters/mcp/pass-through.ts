import { spawn } from 'node:child_process';
import { constants } from 'node:os';
import type { CommandEntry } from '../../ground/entry.js';
import { plain } from '../../ground/rendering.js';
import { Secret } from '../../ground/secret.js';
import { fileError } from '../../ports/files.js';

/**
 * Runs a stdio server on this process's own standard input and output. What its definition has among its arguments is
 * given to it there: it reads it nowhere else.
 */
export function passThrough({ key, command, args, env }: CommandEntry, signal: AbortSignal): Promise<number> {
  return new Promise((resolve, reject) => {
    const secrets = plain(env, (secret) => secret.reveal());
    const words = args.map((word) => (word instanceof Secret ? word.reveal() : word));
    const child = spawn(command, words, { stdio: 'inherit', env: { ...process.env, ...secrets } });
    signal.addEventListener('abort', () => child.kill('SIGTERM'), { once: true });
    child.once('error', (error) => reject(fileError(error, `server ${key}: ${command} cannot be run`)));
    child.once('exit', (code, name) => resolve(code ?? 128 + (name === null ? 0 : constants.signals[name])));
  });
}
