import {
  SdkHttpError,
  SSEClientTransport,
  SseError,
  StreamableHTTPClientTransport,
} from '@modelcontextprotocol/client';
import { StdioServerTransport } from '@modelcontextprotocol/server/stdio';
import {
  type ClientChannel,
  type Fetch,
  HttpFailure,
  type McpTransports,
  type Message,
  type MessageId,
  type RemoteChannel,
} from '../../ports/mcp.js';
import { httpFetch } from './http-fetch.js';

/** Bytes of one message from the client: the SDK's own limit of 10 MB is less than an image or two. */
const MOST_BYTES = 512 * 1024 * 1024;
/** A stream for the server's own messages is opened anew for as long as the session lives. */
const RECONNECTION = {
  initialReconnectionDelay: 500,
  maxReconnectionDelay: 30_000,
  reconnectionDelayGrowFactor: 1.5,
  maxRetries: Number.POSITIVE_INFINITY,
};
/** For how long the server is told of the end, whether it listens or not; milliseconds. */
const FAREWELL = 1000;

/** The official SDK's transports; what they send is authorized by the fetch they are given. */
export function sdkTransports(): McpTransports {
  return {
    fetch: httpFetch(),
    client: stdioChannel,
    remote: (url, sse, fetch) => (sse ? sseChannel(url, fetch) : streamableChannel(url, fetch)),
  };
}

function stdioChannel(): ClientChannel {
  const transport = new StdioServerTransport(process.stdin, process.stdout, { maxBufferSize: MOST_BYTES });
  const channel: ClientChannel = {
    start: () => transport.start(),
    send: (message) => transport.send(message as Parameters<typeof transport.send>[0]),
  };
  transport.onmessage = (message) => channel.onmessage?.(message as Message);
  transport.onclose = () => channel.onclose?.();
  return channel;
}

function streamableChannel(url: URL, fetch: Fetch): RemoteChannel {
  const reconnection = { ...RECONNECTION };
  const transport = new StreamableHTTPClientTransport(url, { fetch, reconnectionOptions: reconnection });
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
    if (error instanceof SdkHttpError && error.status === 404 && transport.sessionId) channel.onlost?.();
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
      await transport.start();
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
