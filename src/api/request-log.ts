/** Lines of requests: the first of its kind at once, its repetitions within a second in one more. */
export interface RequestLog {
  tell(line: string): void;
  /** Tells what has been held back. */
  flush(): void;
}

/** Milliseconds. */
const FOLDED = 1000;

/** A program that asks in a loop must not fill the disk, nor wait for it. */
export function createRequestLog(write: (line: string) => void): RequestLog {
  const repeated = new Map<string, number>();
  let timer: NodeJS.Timeout | null = null;
  const flush = (): void => {
    if (timer) clearTimeout(timer);
    timer = null;
    for (const [line, times] of repeated) if (times > 0) write(`${line} (${times} more within a second)`);
    repeated.clear();
  };
  return {
    flush,
    tell(line) {
      const times = repeated.get(line);
      repeated.set(line, times === undefined ? 0 : times + 1);
      if (times === undefined) write(line);
      timer ??= setTimeout(flush, FOLDED).unref();
    },
  };
}
