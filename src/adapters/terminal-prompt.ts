import { createInterface } from 'node:readline';
import { Writable } from 'node:stream';
import { text } from 'node:stream/consumers';
import type { Prompt, ReadInput } from '../ports/prompt.js';

/** Milliseconds within which all of a paste is there. */
const PASTE = 50;

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
  const nextLine = async (): Promise<void> => {
    if (waiting.length > 0 || over) return;
    await new Promise<void>((resolve) => {
      arrived = resolve;
    });
  };
  return {
    async ask(question, secret = false) {
      stderr.write(question);
      hidden = secret;
      await nextLine();
      // What is pasted arrives at once, over as many lines as it has; of the last one perhaps only the beginning.
      for (let seen = 0; secret && !over && (waiting.length > seen || lines.line !== ''); ) {
        seen = waiting.length;
        await new Promise((resolve) => setTimeout(resolve, PASTE));
        if (lines.line !== '' && waiting.length === seen) {
          const before = waiting.splice(0);
          await nextLine();
          waiting.unshift(...before);
        }
      }
      hidden = false;
      if (secret || over) stderr.write('\n');
      if (over) return null;
      return secret ? waiting.splice(0).join('\n') : (waiting.shift() ?? null);
    },
    close: () => lines.close(),
  };
}

export const standardInput: ReadInput = () => text(process.stdin);
