import type { Readable, Writable } from 'node:stream';
import { isRecord } from '../../ground/problem.js';
import type { ClientChannel, Message, MessageId, RpcError } from '../../ports/mcp.js';
import { createLines, TOO_LONG } from './lines.js';

/** Bytes of one message: an image or two. */
export const LARGEST_MESSAGE = 128 * 1024 * 1024;
/** Bytes of messages that the server has not taken: the client waits when there are more. */
const MOST_WAITING = 32 * 1024 * 1024;

const PARSE_ERROR = -32_700;
const INVALID_REQUEST = -32_600;
const INVALID_PARAMS = -32_602;

/** JSON-RPC on standard input and output, one message a line. What cannot be read is answered as JSON-RPC 2.0 says. */
export function stdioChannel(input: Readable, output: Writable): ClientChannel {
  const lines = createLines(LARGEST_MESSAGE);
  let waiting = 0;
  let isOpen = true;

  const write = (message: object): Promise<void> => {
    const line = `${JSON.stringify(message)}\n`;
    return new Promise((resolve, reject) => {
      output.write(line, (error) => (error ? reject(error) : resolve()));
    });
  };
  const refuse = (id: MessageId | null, error: RpcError): void => {
    void write({ jsonrpc: '2.0', id, error }).catch(() => undefined);
  };

  const pass = async (message: Message, bytes: number): Promise<void> => {
    waiting += bytes;
    if (waiting > MOST_WAITING) input.pause();
    try {
      await channel.onmessage?.(message);
    } catch {
      // Whoever sends it on has told the client.
    }
    waiting -= bytes;
    if (waiting <= MOST_WAITING && isOpen) input.resume();
  };
  const take = (line: string | typeof TOO_LONG): void => {
    const values = line === TOO_LONG ? TOO_LONG : parse(line);
    if (values === TOO_LONG) {
      refuse(null, { code: INVALID_REQUEST, message: `Invalid Request: longer than ${LARGEST_MESSAGE} bytes` });
    } else if (values === null) {
      refuse(null, { code: PARSE_ERROR, message: 'Parse error: a line that is not JSON' });
    } else {
      for (const value of values) {
        const read = readMessage(value);
        if ('error' in read) refuse(read.id, read.error);
        else if (read.message) void pass(read.message, String(line).length / values.length);
      }
    }
  };
  const close = (): void => {
    if (!isOpen) return;
    isOpen = false;
    channel.onclose?.();
  };

  const channel: ClientChannel = {
    async start() {
      input.on('data', (chunk: Buffer) => {
        for (const line of lines.add(chunk)) take(line);
      });
      input.once('end', () => {
        take(lines.rest());
        close();
      });
      input.once('error', close);
      input.once('close', close);
      output.on('error', close);
    },
    send: (message) => (isOpen ? write(message) : Promise.reject(new Error('the client has gone'))),
  };
  return channel;
}

/** Waits until the client has read what it was sent, so that no more is taken from the server for it meanwhile. */
export function whenRead(output: Writable): () => Promise<void> {
  let read: Promise<void> | null = null;
  return async () => {
    if (!output.writableNeedDrain || output.destroyed) return;
    read ??= new Promise<void>((resolve) => {
      for (const event of ['drain', 'close', 'error']) output.once(event, () => resolve());
    }).finally(() => {
      read = null;
    });
    return read;
  };
}

/** What is on a line: one message or, in revision 2025-03-26, several, each answered by itself. Null for no JSON. */
function parse(line: string): unknown[] | null {
  if (line.trim() === '') return [];
  try {
    const value: unknown = JSON.parse(line);
    return Array.isArray(value) && value.length > 0 ? value : [value];
  } catch {
    return null;
  }
}

type Read = { readonly message: Message | null } | { readonly id: MessageId | null; readonly error: RpcError };

/** A message, or what to answer; neither for what is an answer itself, and no good one. */
function readMessage(value: unknown): Read {
  const invalid = (id: MessageId | null, why: string): Read => {
    return { id, error: { code: INVALID_REQUEST, message: `Invalid Request: ${why}` } };
  };
  if (!isRecord(value)) return invalid(null, 'not an object');
  const { id, method, params, ...others } = value;
  const known = typeof id === 'string' || typeof id === 'number' ? id : null;
  if (value.jsonrpc !== '2.0') return invalid(known, 'it has no "jsonrpc": "2.0"');
  if (id !== undefined && known === null) return invalid(null, 'its id is neither text nor a number');
  if (method === undefined) {
    if ('result' in others || 'error' in others)
      return { message: known === null ? null : (value as unknown as Message) };
    return invalid(known, 'it has no method');
  }
  if (typeof method !== 'string') return invalid(known, 'its method is not text');
  if (params !== undefined && params !== null && !isRecord(params)) {
    if (known === null) return { message: null };
    return { id: known, error: { code: INVALID_PARAMS, message: 'Invalid params: not an object' } };
  }
  if (params !== null) return { message: value as unknown as Message };
  return { message: { ...others, ...(known !== null && { id: known }), method } as unknown as Message };
}
