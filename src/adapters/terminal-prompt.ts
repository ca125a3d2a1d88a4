import { createInterface } from 'node:readline';
import { Writable } from 'node:stream';
import { text } from 'node:stream/consumers';
import type { Prompt, ReadInput } from '../ports/prompt.js';

/** Null when nobody sits there. */
export function terminalPrompt(): Prompt | null {
  const { stdin, stderr } = process;
  if (!stdin.isTTY || !stderr.isTTY) return null;
  let hidden = false;
  const output = new Writable({
    write(chunk, _encoding, done) {
      if (!hidden) stderr.write(chunk);
      done();
    },
  });
  // One for all questions: what is pasted comes as several lines, and is read whole.
  const lines = createInterface({ input: stdin, output, terminal: true, historySize: 0 });
  const waiting: string[] = [];
  let over = false;
  let arrived: () => void = () => undefined;
  lines.on('line', (line) => {
    waiting.push(line);
    arrived();
  });
  const end = (): void => {
    over = true;
    arrived();
  };
  lines.on('SIGINT', end);
  lines.on('close', end);
  return {
    async ask(question, secret = false) {
      stderr.write(question);
      hidden = secret;
      if (waiting.length === 0 && !over) {
        await new Promise<void>((resolve) => {
          arrived = resolve;
        });
      }
      hidden = false;
      if (secret || over) stderr.write('\n');
      return over ? null : (waiting.shift() ?? null);
    },
    close: () => lines.close(),
  };
}

export const standardInput: ReadInput = () => text(process.stdin);
