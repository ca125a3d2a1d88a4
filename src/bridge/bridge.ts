import type { Credentials } from '../daemon/credentials.js';
import { isRecord } from '../ground/problem.js';
import type { Clock } from '../ports/clock.js';
import type { McpTransports, Message, MessageId, RemoteChannel, RpcError } from '../ports/mcp.js';
import { authorizedFetch, Moved } from './authorized-fetch.js';
import { errorOf, isSessionLost } from './failures.js';
import { createKnownSecrets } from './known-secrets.js';
import { createParamHeaders } from './param-headers.js';
import { patientFetch } from './patient-fetch.js';
import { createSession, type Session } from './session.js';

export interface BridgeParts {
  readonly transports: McpTransports;
  readonly credentials: Credentials;
  readonly clock: Clock;
}

/** A request of the client's that has not been answered. */
interface Pending {
  readonly message: Message & { readonly id: MessageId };
  /** Ends this request alone; null with the older protocol, which cancels with a message. */
  readonly abort: AbortController | null;
  channel: RemoteChannel | null;
  /** It was turned away unread once, and sent again. */
  again: boolean;
}

const PROTOCOL_VERSION = 'io.modelcontextprotocol/protocolVersion';
/** The SEP-2243 error of a server that misses a header which repeats an argument. */
const HEADER_MISMATCH = -32_020;
/** Of a list of tools that the bridge reads by itself. */
const MOST_PAGES = 100;
/** Seconds that messages wait for a notification before them to arrive. */
const NOTIFICATION_PATIENCE = 5;

/**
 * Passes messages between a client on standard input and output and a remote server, and understands no more of
 * them than it must: the handshake, to begin a session again when the server has lost it; cancellations, as the
 * newer protocol has them end the request's own stream; lists of tools, for the headers that their schemas ask for.
 * Resolves when the client has gone or `signal` says so.
 */
export async function runBridge(parts: BridgeParts, signal: AbortSignal): Promise<void> {
  const { transports, credentials, clock } = parts;
  const client = transports.client();
  const pending = new Map<MessageId, Pending>();
  const params = createParamHeaders();
  const secrets = createKnownSecrets();
  const moved = (): void => void session.follow().catch(() => undefined);
  const session: Session = createSession({
    ...parts,
    fetch: patientFetch(authorizedFetch({ credentials, fetch: transports.fetch, secrets, moved }), parts.clock),
    received: (message, channel) => fromServer(message, channel),
    isBusy: (channel) => [...pending.values()].some((request) => request.channel === channel),
  });
  /** Later messages wait for it: servers must see a notification before what comes after it. */
  let gate: Promise<unknown> = Promise.resolve();

  const toClient = (message: Message): void => void client.send(message).catch(() => undefined);
  const answer = ({ message: { id } }: Pending, error: RpcError): void => {
    pending.delete(id);
    toClient({ jsonrpc: '2.0', id, error });
  };

  const deliver = async (request: Pending): Promise<void> => {
    const { message, abort } = request;
    try {
      const channel = await session.connection();
      request.channel = channel;
      await channel.send(message, {
        onend: () => lose(request, new Error('the stream of its answer has ended')),
        ...(abort && { signal: abort.signal, headers: params.of(message) }),
      });
    } catch (error) {
      await lose(request, error);
    }
  };

  /** A request that will not be answered as it was sent: sent anew where the server has not looked at it. */
  const lose = async (request: Pending, error: unknown): Promise<void> => {
    const { message, channel, again, abort } = request;
    if (pending.get(message.id) !== request) return;
    if (error instanceof Moved && !again) {
      request.again = true;
      return deliver(request);
    }
    const mayResend = !again && !abort && message.method !== 'initialize' && channel?.inSession === true;
    if (!mayResend || !session.isBegun || !isSessionLost(error))
      return answer(request, errorOf(error, secrets.redactor));
    request.again = true;
    request.channel = null;
    void session.renew(channel).catch(() => undefined);
    return deliver(request);
  };

  /** Lists the tools as the client would, to learn which headers a call needs, and calls again. */
  const callAgain = async (request: Pending, channel: RemoteChannel, refused: Message): Promise<void> => {
    request.again = true;
    const { _meta } = request.message.params ?? {};
    let cursor: unknown;
    try {
      for (let pages = 0; pages === 0 || (cursor !== undefined && pages < MOST_PAGES); pages += 1) {
        const page = await session.ask(channel, {
          jsonrpc: '2.0',
          method: 'tools/list',
          params: { ...(_meta && { _meta }), ...(cursor === undefined ? {} : { cursor }) },
        });
        params.learn(page);
        cursor = page.result?.nextCursor;
      }
    } catch {
      // Then the client hears what the server said.
    }
    if (Object.keys(params.of(request.message)).length > 0) return deliver(request);
    pending.delete(request.message.id);
    toClient(secrets.clean(refused));
  };

  const fromServer = (message: Message, channel: RemoteChannel): void => {
    const request = message.id !== undefined && message.method === undefined ? pending.get(message.id) : undefined;
    if (request) {
      const { method } = request.message;
      if (method === 'tools/call' && message.error?.code === HEADER_MISMATCH && !request.again) {
        return void callAgain(request, channel, message);
      }
      pending.delete(request.message.id);
      if (method === 'tools/list') params.learn(message);
      if (method === 'initialize' && message.result) session.begun(request.message, message, channel);
    }
    toClient(secrets.clean(message));
  };

  const fromClient = async (message: Message): Promise<unknown> => {
    const { id, method } = message;
    if (id !== undefined && method !== undefined) {
      const request: Pending = {
        message: { ...message, id },
        abort: versionIn(message) === null ? null : new AbortController(),
        channel: null,
        again: false,
      };
      pending.set(id, request);
      return gate.then(() => deliver(request));
    }
    if (method === 'notifications/cancelled' && cancel(message)) return undefined;
    if (method === 'notifications/initialized') session.initialized(message);
    const sent = gate.then(() => notify(message)).catch(() => undefined);
    gate = Promise.race([sent, clock.sleep(NOTIFICATION_PATIENCE)]);
    return gate;
  };

  const notify = async (message: Message): Promise<void> => {
    const channel = await session.connection();
    const version = versionIn(message);
    // A request names its version by itself; of a notification the transport looks at none.
    if (version !== null) channel.setProtocolVersion(version);
    await channel.send(message, {});
  };

  /** Whether that was all there is to do. */
  const cancel = ({ params: named }: Message): boolean => {
    const id = isRecord(named) ? (named.requestId as MessageId) : undefined;
    const request = id === undefined ? undefined : pending.get(id);
    if (!request) return false;
    pending.delete(request.message.id);
    request.abort?.abort();
    return request.abort !== null;
  };

  const gone = new Promise<void>((resolve) => {
    client.onclose = resolve;
    signal.addEventListener('abort', () => resolve(), { once: true });
  });
  client.onmessage = fromClient;
  await client.start();
  await gone;
  await session.end();
}

/** The revision of the protocol that a message names; only those of the newer protocol do. */
function versionIn({ params }: Message): string | null {
  const version = params?._meta?.[PROTOCOL_VERSION];
  return typeof version === 'string' ? version : null;
}
