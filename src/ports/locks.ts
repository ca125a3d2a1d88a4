/** Locks that hold across processes, and across machines that share the folder. */
export interface Locks {
  /** Waits for at most so many seconds; null when somebody else holds it for longer. */
  acquire(name: string, patience: number): Promise<Lock | null>;
}

export interface Lock {
  /** True once somebody else may hold it: this process was away for too long. */
  readonly lost: boolean;
  release(): Promise<void>;
}
