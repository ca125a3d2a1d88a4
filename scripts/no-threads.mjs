// Stands for thread-stream in the bundle: pino loads it, and Node's worker threads with it, at every start, for
// transports that are not used here.
export default class {
  constructor() {
    throw new Error('log transports in threads are not part of this program');
  }
}
