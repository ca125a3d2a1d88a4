import {
  chmodSync,
  closeSync,
  fchmodSync,
  fstatSync,
  openSync,
  renameSync,
  statSync,
  unlinkSync,
  writeSync,
} from 'node:fs';
import { dirname } from 'node:path';
import { type Level, pino } from 'pino';
import { giveFile, ownerIn } from '../disk/ownership.js';
import { exposure } from '../ground/exposure.js';
import { problemLine } from '../ground/problem.js';
import { oneLine } from '../ground/secret.js';
import type { LogKind, LogLevel, LogOptions, LogSubject, LogWriter } from '../ports/log.js';

const LEVELS: Readonly<Record<LogLevel, Level>> = { DEBUG: 'debug', INFO: 'info', WARNING: 'warn', ERROR: 'error' };
const NAMES: Readonly<Record<number, LogLevel>> = { 20: 'DEBUG', 30: 'INFO', 40: 'WARNING', 50: 'ERROR' };

const PRIORITIES: Readonly<Record<number, number>> = { 20: 7, 30: 6, 40: 4, 50: 3 };

export function createLog(options: LogOptions): LogWriter {
  const file = options.file === null ? null : rotatingFile(options.file, options, (line) => at('warn')('CONFIG', line));
  const journal = options.stderr && isJournal();
  let waiting: { readonly priority: string; readonly text: string }[] = [];
  let soon = false;
  const flush = (): void => {
    const lines = waiting;
    waiting = [];
    soon = false;
    if (lines.length === 0) return;
    file?.write(lines.map(({ text }) => text));
    if (options.stderr) process.stderr.write(lines.map(({ priority, text }) => priority + text).join(''));
  };
  // The lines of one moment go out as one: a cycle may tell of hundreds of tokens.
  const flushSoon = (): void => {
    if (!soon) queueMicrotask(flush);
    soon = true;
  };
  const write = (line: string): void => {
    waiting.push({ priority: journal ? priorityOf(line) : '', text: options.format === 'json' ? line : asText(line) });
  };
  process.once('exit', flush);
  const logger = pino({ level: LEVELS[options.level], base: null }, { write });
  const at = (level: Level) => (kind: LogKind, message: string, subject?: LogSubject) => {
    logger[level]({ kind, ...subject }, oneLine(message));
    flushSoon();
  };
  return {
    debug: at('debug'),
    info: at('info'),
    warning: at('warn'),
    error: at('error'),
    reopen() {
      flush();
      file?.reopen();
    },
  };
}

/** Whether standard error is read by journald: systemd.exec(5), `$JOURNAL_STREAM`. */
function isJournal(): boolean {
  const { dev, ino } = fstatSync(2);
  return process.env.JOURNAL_STREAM === `${dev}:${ino}`;
}

/** sd-daemon(3): the prefix by which journald knows how urgent a line is. */
function priorityOf(line: string): string {
  const { level } = JSON.parse(line) as { level: number };
  return `<${PRIORITIES[level] ?? 6}>`;
}

/** `2026-11-21 15:30:00,123 - INFO - REFRESH - message`, local time. */
function asText(line: string): string {
  const { level, time, kind, msg } = JSON.parse(line) as { level: number; time: number; kind: string; msg: string };
  const local = new Date(time - new Date(time).getTimezoneOffset() * 60_000).toISOString();
  return `${local.slice(0, 10)} ${local.slice(11, 19)},${local.slice(20, 23)} - ${NAMES[level] ?? 'INFO'} - ${kind} - ${msg}\n`;
}

/** Older versions, and a umask of somebody's own, have left logs that everybody may read. */
function closeToOthers(path: string, mode: number, change: () => void, tell: (line: string) => void): void {
  const open = process.platform === 'win32' ? null : exposure(path, mode);
  if (!open) return;
  try {
    change();
    tell(
      `${path}: others could read or write it (mode ${(mode & 0o777).toString(8).padStart(4, '0')}); it is 0600 now`,
    );
  } catch {
    tell(problemLine(open)); // another user's
  }
}

interface LogFile {
  /** Whole lines, in one write as far as one file may hold them. */
  write(lines: readonly string[]): void;
  reopen(): void;
}

/** A log that cannot be written loses lines, never the program. */
function rotatingFile(
  path: string,
  { maxSize, maxFiles }: Pick<LogOptions, 'maxSize' | 'maxFiles'>,
  tell: (line: string) => void,
): LogFile {
  let descriptor: number | null = null;
  let size = 0;
  /** Whether it is a file, which can be put aside: not a terminal, a pipe or /dev/null. */
  let rotates = true;
  const older = (n: number): string => (n === 0 ? path : `${path}.${n}`);
  let isChecked = false;
  const open = (): void => {
    try {
      descriptor = openSync(path, 'a', 0o600);
      const found = fstatSync(descriptor);
      size = found.size;
      rotates = found.isFile();
      const opened = descriptor;
      if (rotates) closeToOthers(path, found.mode, () => fchmodSync(opened, 0o600), tell);
      for (let n = 1; rotates && !isChecked && n < maxFiles; n += 1) {
        const { mode = 0 } = statSync(older(n), { throwIfNoEntry: false }) ?? {};
        closeToOthers(older(n), mode, () => chmodSync(older(n), 0o600), tell);
      }
      isChecked = true;
      // Else the owner's own program could not write it after a `sudo`.
      if (rotates && size === 0) giveFile(descriptor, ownerIn(dirname(path)));
    } catch {
      descriptor = null;
    }
  };
  const close = (): void => {
    if (descriptor !== null) closeSync(descriptor);
    descriptor = null;
  };
  const rotate = (): void => {
    close();
    try {
      for (let n = maxFiles - 1; n > 0; n -= 1) {
        if (statSync(older(n - 1), { throwIfNoEntry: false })) renameSync(older(n - 1), older(n));
      }
      if (maxFiles === 1) unlinkSync(path);
    } catch {
      // Not ours to move: then it grows.
    }
    open();
  };
  const append = (text: string, bytes: number): void => {
    if (descriptor === null) open();
    if (descriptor === null || bytes === 0) return;
    try {
      writeSync(descriptor, text);
      size += bytes;
    } catch {
      close(); // a full disk, or the folder is gone: the next line tries anew
    }
  };
  return {
    write(lines) {
      if (descriptor === null) open();
      let text = '';
      let bytes = 0;
      for (const line of lines) {
        const length = Buffer.byteLength(line);
        // Of a burst, too, no file gets more than it may hold.
        if (rotates && size + bytes > 0 && size + bytes + length > maxSize) {
          append(text, bytes);
          rotate();
          text = '';
          bytes = 0;
        }
        text += line;
        bytes += length;
      }
      append(text, bytes);
    },
    reopen() {
      close();
      open();
    },
  };
}
