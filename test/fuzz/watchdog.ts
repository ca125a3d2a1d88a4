import { Worker } from 'node:worker_threads';

/** Ends the process, with a word on where it was, when one case takes longer than anything may. */
export function watchdog(seconds: number): { on(what: string): void; end(): Promise<unknown> } {
  const worker = new Worker(
    `const { parentPort } = require('node:worker_threads');
     const { writeSync } = require('node:fs');
     let timer, what;
     parentPort.on('message', (now) => {
       what = now;
       clearTimeout(timer);
       timer = setTimeout(() => {
         writeSync(2, 'HANGS: ' + what + '\\n');
         process.kill(process.pid, 'SIGKILL');
       }, ${seconds * 1000});
     });`,
    { eval: true },
  );
  return { on: (what) => worker.postMessage(what), end: () => worker.terminate() };
}
