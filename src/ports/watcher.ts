/** Tells that something below the root may have changed. What, a look has to find out. */
export interface Watcher {
  /** Sees to it that every folder inputs come from is watched, those made since included. */
  follow(): Promise<void>;
  close(): Promise<void>;
}
