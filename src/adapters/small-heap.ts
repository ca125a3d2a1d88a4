import { setFlagsFromString } from 'node:v8';

/**
 * For a process that lasts, of which there are many, and that does little: V8 keeps less memory for objects that die
 * young, and does not compile code for speed. Half of a bridge's memory would go to that. Node takes its own flag for
 * the first (--max-semi-space-size) only on the command line.
 */
export function keepHeapSmall(): void {
  setFlagsFromString('--optimize-for-size');
  setFlagsFromString('--no-opt');
  // The compiled form that the first run leaves is good for the flags it is written under.
  process.prependOnceListener('exit', () => {
    setFlagsFromString('--no-optimize-for-size');
    setFlagsFromString('--opt');
  });
}
