/** Tells that something in a folder may have changed. What, a look has to find out. */
export interface Watcher {
  /**
   * Sees to it that changes at these paths are told of: those of what is in a folder, those of a file, and those of
   * every link on the way. Absolute paths; those made since are included.
   */
  follow(paths: readonly string[]): void;
  close(): Promise<void>;
}
