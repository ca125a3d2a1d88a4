import {
  SdkHttpError,
  SSEClientTransport,
  SseError,
  StreamableHTTPClientTransport,
} from '@modelcontextprotocol/client';
import { createPace } from '../../ground/pace.js';
import {
  type Fetch,
  HttpFailure,
  type McpTransports,
  type Message,
  type MessageId,
  type RemoteChannel,
} from '../../ports/mcp.js';
import { httpFetch } from './http-fetch.js';
import { LARGEST_MESSAGE, stdioChannel, whenRead } from './stdio-channel.js';

/** A stream for the server's own messages is opened anew for as long as the session lives. */
const RECONNECTION = {
  initialReconnectionDelay: 250,
  maxReconnectionDelay: 30_000,
  reconnectionDelayGrowFactor: 1.5,
  maxRetries: Number.POSITIVE_INFINITY,
};
/** Whatever a server asks for, and however soon its streams end; seconds. */
const RECONNECTION_PACE = { first: 0.25, most: 30, healthy: 10 };
const CLOCK = { monotonic: () => performance.now() / 1000, random: Math.random };
/** For how long the server is told of the end, whether it listens or not; milliseconds. */
const FAREWELL = 1000;

/** The official SDK's transports; what they send is authorized by the fetch they are given. */
export function sdkTransports(): McpTransports {
  return {
    fetch: httpFetch({ most: LARGEST_MESSAGE, ready: whenRead(process.stdout) }),
    client: () => stdioChannel(process.stdin, process.stdout),
    remote: (url, sse, fetch) => (sse ? sseChannel(url, fetch) : streamableChannel(url, fetch)),
  };
}

function streamableChannel(url: URL, fetch: Fetch): RemoteChannel {
  const reconnection = { ...RECONNECTION };
  const pace = createPace(RECONNECTION_PACE, CLOCK);
  /** Whether the server has a stream for its own messages: many have none, and not all say so with 405. */
  let hasStream = false;
  const transport = new StreamableHTTPClientTransport(url, {
    async fetch(where, init) {
      const response = await fetch(where, init);
      if (init?.method === 'GET' && response.ok) hasStream = true;
      return response;
    },
    reconnectionOptions: reconnection,
    reconnectionScheduler(reconnect, delay) {
      const timer = setTimeout(reconnect, pace.next(delay / 1000) * 1000);
      return () => clearTimeout(timer);
    },
  });
  const channel: RemoteChannel = {
    start: () => transport.start(),
    async send(message, { signal, headers, onend }) {
      try {
        await transport.send(message as Parameters<typeof transport.send>[0], {
          ...(signal && { requestSignal: signal }),
          ...(headers && { headers }),
          ...(onend && { onRequestStreamEnd: onend }),
        });
      } catch (error) {
        throw plainFailure(error);
      }
    },
    async close(session) {
      if (session) {
        const told = transport.terminateSession().catch(() => undefined);
        await Promise.race([told, new Promise((resolve) => setTimeout(resolve, FAREWELL).unref())]);
      }
      await transport.close();
    },
    abandon() {
      // The transport looks at it before each attempt, and gives up on the stream.
      reconnection.maxRetries = 0;
    },
    setProtocolVersion: (version) => transport.setProtocolVersion(version),
    get inSession() {
      return transport.sessionId !== undefined;
    },
  };
  transport.onmessage = (message) => channel.onmessage?.(message as Message);
  transport.onerror = (error) => {
    // The stream for the server's own messages; a request's failure is told to its sender as well.
    const isRefused = error instanceof SdkHttpError && error.status === 404;
    if (isRefused && hasStream && transport.sessionId) channel.onlost?.();
  };
  return channel;
}

function sseChannel(url: URL, fetch: Fetch): RemoteChannel {
  const transport = new SSEClientTransport(url, { fetch });
  /** What to call for the requests that wait for their answer, should the one stream for all answers end. */
  const waiting = new Map<MessageId, () => void>();
  let open = false;
  const channel: RemoteChannel = {
    async start() {
      try {
        await transport.start();
      } catch (error) {
        // Else it goes on trying by itself, at the pace that the server sets.
        await transport.close();
        throw error;
      }
      open = true;
    },
    async send(message, { onend }) {
      if (message.id !== undefined && onend) waiting.set(message.id, onend);
      await transport.send(message as Parameters<typeof transport.send>[0]);
    },
    async close() {
      open = false;
      await transport.close();
    },
    abandon: () => undefined,
    setProtocolVersion: (version) => transport.setProtocolVersion(version),
    inSession: true,
  };
  transport.onmessage = (received) => {
    const message = received as Message;
    if (message.method === undefined && message.id !== undefined) waiting.delete(message.id);
    channel.onmessage?.(message);
  };
  transport.onerror = (error) => {
    if (!open || !(error instanceof SseError)) return;
    open = false;
    void transport.close();
    for (const end of waiting.values()) end();
    waiting.clear();
    // Its stream is the session: a new one is another session.
    channel.onlost?.();
  };
  return channel;
}

function plainFailure(error: unknown): unknown {
  if (!(error instanceof SdkHttpError)) return error;
  return new HttpFailure(error.status ?? 0, error.message, String(error.data.text ?? ''));
}
