/** The one instance that may run for a root. */
export interface Instance {
  /** Becomes the instance; null when another one is running. */
  claim(): Promise<Claim | null>;
  /** The one that is running, as far as this machine can tell. */
  running(): Running | null;
  /** Asks the running instance to stop and waits until it has; false when it is still there after so many seconds. */
  stop(patience: number): Promise<boolean>;
}

export interface Claim {
  release(): Promise<void>;
}

export interface Running {
  readonly pid: number;
  /** Epoch seconds. */
  readonly since: number;
}
