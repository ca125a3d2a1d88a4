import type { Files } from './files.js';

/**
 * Documents that several machines share: files by their paths, with a copy of all of them at hand. A write is made
 * only over what this process has read last; when another machine was faster it rejects (FileError, ECONFLICT), and
 * what is read from then on is that one's.
 */
export interface SharedDocuments extends Files {
  /** Makes the copy as new as what is shared. Rejects (FileError) when that cannot be reached. */
  pull(): Promise<void>;
  /** Begins with the copy of the last time; what is shared may not be reached, or may have been lost. */
  recall(): void;
  /** Called when another machine has changed something. */
  onChange(listener: () => void): void;
}
