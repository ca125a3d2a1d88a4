/** A person at a terminal. */
export interface Prompt {
  /** The line that is typed; nothing of it is shown when `hidden`. Null once the person gives up (Ctrl-C, Ctrl-D). */
  ask(question: string, hidden?: boolean): Promise<string | null>;
  close(): void;
}

/** Everything on standard input. */
export type ReadInput = () => Promise<string>;

/** What an MCP server says to a token: its HTTP status, or why there is none. */
export type Trial = (url: URL, accessToken: string) => Promise<number | string>;
