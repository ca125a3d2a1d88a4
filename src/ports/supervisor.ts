/** Whoever has started the daemon and wants to hear from it. Nothing depends on whether it does. */
export interface Supervisor {
  /** A cycle has ended: the first one means that the daemon is ready. `status` is one line for people. */
  ran(status: string): void;
  /** The daemon is ending. Resolves when that has been heard. */
  stopping(): Promise<void>;
}
