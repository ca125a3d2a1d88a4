/** Processes that write down who they are, for others to find out whether they live. */
export interface Processes {
  /** This one, told apart from every other one and from other copies of the program in the same process. */
  readonly self: string;
  /** `unknown` when this machine cannot tell: it is of another machine, or of another container. */
  lifeOf(process: string): 'self' | 'alive' | 'dead' | 'unknown';
}
