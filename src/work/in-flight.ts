/**
 * Work that may bring a token: from before its request is sent until what came back is saved. Whatever ends the
 * process waits for it, or the answer, and with it the only copy of a rotated refresh token, is lost.
 */
export interface InFlight {
  run<T>(work: () => Promise<T>): Promise<T>;
  readonly count: number;
  /** No request is sent from here on. */
  stop(): void;
  readonly isStopped: boolean;
  /** Resolves when nothing is in flight. */
  settled(): Promise<void>;
}

export function createInFlight(): InFlight {
  const running = new Set<Promise<unknown>>();
  let isStopped = false;
  return {
    async run(work) {
      const promise = work();
      running.add(promise);
      try {
        return await promise;
      } finally {
        running.delete(promise);
      }
    },
    get count() {
      return running.size;
    },
    stop() {
      isStopped = true;
    },
    get isStopped() {
      return isStopped;
    },
    async settled() {
      while (running.size > 0) await Promise.allSettled(running);
    },
  };
}
