/** The one instance that may run for a root. */
export interface Instance {
  /**
   * Becomes the instance; null when another one is running. One of another machine or container, of which nothing
   * tells whether it lives, is waited for and not given up: `waiting` is told of it once. Rejects (FileError) when
   * that cannot be found out.
   */
  claim(signal?: AbortSignal, waiting?: (other: Running) => void): Promise<Claim | null>;
  /** What can be told at once. */
  running(): Presence;
  /** As `running`; one that may be of another machine or container is watched for some seconds until it is known. */
  observe(): Promise<Presence>;
  /** Asks the running instance to stop and waits until it has, for at most so many seconds. */
  stop(patience: number): Promise<Stopping>;
}

export type Presence =
  | Running
  | { readonly state: 'none' }
  /** The reason is for people. */
  | { readonly state: 'unknown'; readonly reason: string };

export interface Running {
  readonly state: 'running';
  readonly pid: number;
  /** Epoch seconds. */
  readonly since: number;
  /** Whether it is a process of this machine, so that its number means something here. */
  readonly here: boolean;
}

export type Stopping =
  | { readonly outcome: 'none' }
  | { readonly outcome: 'stopped'; readonly pid: number }
  /** It cannot be asked from here. */
  | { readonly outcome: 'elsewhere' | 'failed'; readonly reason: string };

export interface Claim {
  /**
   * Looks whether this is still the instance, and becomes it again where its lock has gone (with the state folder,
   * say). `away` while the root itself is; `taken` when another one is the instance now.
   */
  confirm(): Promise<'held' | 'regained' | 'away' | 'taken'>;
  release(): Promise<void>;
}
