import type { Access, Credentials } from '../daemon/credentials.js';
import { createPace } from '../ground/pace.js';
import type { Clock } from '../ports/clock.js';
import type { Fetch, McpTransports, Message, MessageId, RemoteChannel } from '../ports/mcp.js';

export interface SessionParts {
  readonly transports: McpTransports;
  readonly credentials: Credentials;
  readonly clock: Clock;
  readonly fetch: Fetch;
  /** Whatever comes that was not asked for by `ask`. */
  readonly received: (message: Message, channel: RemoteChannel) => void;
  /** Whether answers are still waited for there. */
  readonly isBusy: (channel: RemoteChannel) => boolean;
}

/** The connection to the server: made when it is first needed, and anew when the server has lost its session. */
export interface Session {
  /** The connection there is, or a new one; with the session that the client has begun, if it has. */
  connection(): Promise<RemoteChannel>;
  /** A new session in the place of one that the server no longer knows. */
  renew(lost: RemoteChannel): Promise<RemoteChannel>;
  /** Begins anew where the definition says that the server is now, if that is somewhere else. */
  follow(): Promise<void>;
  /** Sends a request of the bridge's own, in the words of one of the client's. */
  ask(channel: RemoteChannel, model: Message): Promise<Message>;
  /** The client's `initialize`, which has been answered. */
  begun(initialize: Message, answer: Message, channel: RemoteChannel): void;
  /** The client's `notifications/initialized`. */
  initialized(notification: Message): void;
  /** Whether there is one that could be begun anew. */
  readonly isBegun: boolean;
  /** Tells the server that the client has gone. */
  end(): Promise<void>;
}

/** Of sessions begun anew that nobody waits for; seconds. */
const REVIVAL = { first: 0.1, most: 60, healthy: 30 };

export function createSession({ transports, credentials, clock, fetch, received, isBusy }: SessionParts): Session {
  const asked = new Map<MessageId, (answer: Message) => void>();
  const pace = createPace(REVIVAL, clock);
  let opening: Promise<RemoteChannel> | null = null;
  let current: RemoteChannel | null = null;
  /** Where that leads to. */
  let place = '';
  let greeting: Message | null = null;
  let greeted: Message | null = null;
  let ids = 0;
  let ended = false;

  const open = async (): Promise<RemoteChannel> => {
    const access = await credentials.current();
    const { url, sse } = access;
    const channel = transports.remote(url, sse, fetch);
    channel.onmessage = (message) => {
      const mine = message.method === undefined && message.id !== undefined ? asked.get(message.id) : undefined;
      if (mine) mine(message);
      else received(message, channel);
    };
    channel.onlost = () => void revive(channel);
    await channel.start();
    current = channel;
    place = placeOf(access);
    return channel;
  };

  const connection = async (): Promise<RemoteChannel> => {
    // A definition that was changed leads somewhere else: what was begun before is not for that.
    const channel = current;
    if (channel && (await hasMoved())) leave(channel);
    opening ??= (greeting ? greet(greeting) : open()).catch((error: unknown) => {
      opening = null;
      throw error;
    });
    return opening;
  };

  const hasMoved = async (): Promise<boolean> => placeOf(await credentials.current()) !== place;

  const detach = (lost: RemoteChannel): void => {
    current = null;
    opening = null;
    lost.abandon();
    retire(lost);
  };

  const renew = (lost: RemoteChannel): Promise<RemoteChannel> => {
    if (greeting) leave(lost);
    return connection();
  };

  const leave = (channel: RemoteChannel): void => {
    if (current === channel) detach(channel);
  };

  /**
   * Begins a session anew without being asked: what the server has to say by itself would find nobody. A request of
   * the client's does not wait for that; a server that loses each session at once sets no pace.
   */
  const revive = async (lost: RemoteChannel): Promise<void> => {
    if (current !== lost) return;
    detach(lost);
    while (greeting && !ended && !opening) {
      await clock.sleep(pace.next());
      if (ended || opening) return;
      await connection().catch(() => undefined);
    }
  };

  const greet = async (initialize: Message): Promise<RemoteChannel> => {
    const channel = await open();
    try {
      const answer = await ask(channel, initialize);
      if (!answer.result) throw new Error(answer.error?.message ?? 'the server does not begin a session');
      speak(channel, answer);
      if (greeted) await channel.send(greeted, {});
      return channel;
    } catch (error) {
      void channel.close(false);
      throw error;
    }
  };

  /** In the revision of the protocol that an answer to `initialize` settles on. */
  const speak = (channel: RemoteChannel, { result }: Message): void => {
    if (typeof result?.protocolVersion === 'string') channel.setProtocolVersion(result.protocolVersion);
  };

  /** What is still under way there may end there. */
  const retire = (channel: RemoteChannel): void => {
    if (isBusy(channel)) void clock.sleep(1).then(() => retire(channel));
    else void channel.close(false);
  };

  const ask = (channel: RemoteChannel, model: Message): Promise<Message> => {
    ids += 1;
    const id = `token-refresher/${ids}`;
    return new Promise<Message>((resolve, reject) => {
      asked.set(id, resolve);
      const onend = (): void => reject(new Error('the stream of its answer has ended'));
      channel.send({ ...model, id }, { onend }).catch(reject);
    }).finally(() => asked.delete(id));
  };

  return {
    connection,
    renew,
    async follow() {
      const channel = current;
      // What is left of an earlier one may come too late to tell.
      if (channel && (await hasMoved())) await revive(channel);
    },
    ask,
    begun(initialize, answer, channel) {
      greeting = initialize;
      speak(channel, answer);
    },
    initialized(notification) {
      greeted = notification;
    },
    get isBegun() {
      return greeting !== null;
    },
    async end() {
      ended = true;
      await current?.close(true);
    },
  };
}

function placeOf({ url, sse }: Pick<Access, 'url' | 'sse'>): string {
  return `${sse ? 'sse' : 'http'} ${url.href}`;
}
