/** Tells that something in a folder may have changed. What, a look has to find out. */
export interface Watcher {
  /** Sees to it that these folders are watched, those among them made since included. Absolute paths. */
  follow(folders: readonly string[]): void;
  close(): Promise<void>;
}
