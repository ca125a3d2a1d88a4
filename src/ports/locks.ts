/** What a lock is for: a token by the place where it is kept, or a whole file (`at` is null). */
export interface LockPlace {
  /** Relative to the root. */
  readonly file: string;
  readonly at: readonly string[] | null;
}

/** Locks that hold across roots, processes, threads and machines that can see the file. */
export interface Locks {
  /** Waits for at most so many seconds; null when somebody else holds it for longer. */
  acquire(place: LockPlace, patience: number): Promise<Lock | null>;
}

export interface Lock {
  /** True once somebody else may hold it: this process was away for too long. */
  readonly lost: boolean;
  /** Looks once more whether it is still this holder's; false when that cannot be told. For right before a request. */
  isStillHeld(): Promise<boolean>;
  release(): Promise<void>;
}
