/** A JSON-RPC 2.0 message of MCP. What is not named here is passed on and not looked at. */
export interface Message {
  readonly jsonrpc: '2.0';
  readonly id?: MessageId;
  readonly method?: string;
  readonly params?: Params;
  readonly result?: Readonly<Record<string, unknown>>;
  readonly error?: RpcError;
}

export type MessageId = string | number;

export interface Params {
  readonly _meta?: Readonly<Record<string, unknown>>;
  readonly [name: string]: unknown;
}

export interface RpcError {
  readonly code: number;
  readonly message: string;
  readonly data?: unknown;
}

/** Where messages go to and come from: the client on standard input and output. */
export interface ClientChannel {
  start(): Promise<void>;
  send(message: Message): Promise<void>;
  /** What it gives resolves when the message is on its way: the client waits when too many are not. */
  onmessage?: ((message: Message) => Promise<unknown>) | undefined;
  /** The client has gone. */
  onclose?: (() => void) | undefined;
}

/** One connection to a remote server; with protocol revisions up to 2025-11-25, one session of it. */
export interface RemoteChannel {
  /** Rejects as `send` does. */
  start(): Promise<void>;
  /**
   * Resolves when the server has taken the message; answers come through `onmessage`. Rejects with an HttpFailure,
   * with what the fetch that the channel was given throws, or with an Error when the connection breaks.
   */
  send(message: Message, options: SendOptions): Promise<void>;
  /** Ends what is under way, and with `session` tells the server so. */
  close(session: boolean): Promise<void>;
  /** The session is over: no stream of it that breaks, or has broken, is taken up again. */
  abandon(): void;
  setProtocolVersion(version: string): void;
  /** Whether the server has given the session a name. */
  readonly inSession: boolean;
  onmessage?: ((message: Message) => void) | undefined;
  /** The server no longer knows the session, or its stream is gone for good. */
  onlost?: (() => void) | undefined;
}

export interface SendOptions {
  /** Ends one request alone. */
  readonly signal?: AbortSignal;
  /** HTTP headers of this message alone. */
  readonly headers?: Readonly<Record<string, string>>;
  /** The stream that was to bring the answer has ended without it. */
  readonly onend?: () => void;
}

/** An HTTP answer that is none to the message. */
export class HttpFailure extends Error {
  override readonly name = 'HttpFailure';
  readonly status: number;
  readonly body: string;

  constructor(status: number, message: string, body: string) {
    super(message);
    this.status = status;
    this.body = body;
  }
}

/** The server could not be reached: nothing was sent. */
export class Unreachable extends Error {
  override readonly name = 'Unreachable';
  /** Whether it is the kind of trouble that passes by itself. */
  readonly passes: boolean;

  constructor(message: string, passes: boolean) {
    super(message);
    this.passes = passes;
  }
}

/** As the `fetch` of the platform; never follows a redirect. Rejects with Unreachable when nothing was sent. */
export type Fetch = (url: string | URL, init?: RequestInit) => Promise<Response>;

/** The transports that a bridge is made of. */
export interface McpTransports {
  client(): ClientChannel;
  remote(url: URL, sse: boolean, fetch: Fetch): RemoteChannel;
  readonly fetch: Fetch;
}
