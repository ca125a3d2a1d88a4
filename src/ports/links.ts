/** Symbolic links outside the project root; all paths are absolute. */
export interface Links {
  /** What is at `path`: nothing, a link to `target`, or something else. */
  look(path: string, target: string): 'nothing' | 'linked' | 'other';
  /** Makes `path` a relative link to `target`, and the folders it is in. Throws a FileError. */
  make(path: string, target: string): void;
}
