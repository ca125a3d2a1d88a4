import { setMaxListeners } from 'node:events';
import { Agent, request as httpRequest, type IncomingMessage } from 'node:http';
import { Agent as HttpsAgent, request as httpsRequest } from 'node:https';
import type { LookupFunction } from 'node:net';
import { Readable } from 'node:stream';
import { setImmediate as turn } from 'node:timers/promises';
import { codeOf } from '../../ports/files.js';
import { type Fetch, Unreachable } from '../../ports/mcp.js';
import { decodersFor, through } from '../http/content-codings.js';
import { type BodyLimits, beginning, events, whole } from './body.js';
import { OutOfReach } from './guarded-lookup.js';

/** Milliseconds. */
const CONNECT_TIMEOUT = 5_000;
/**
 * Idle connections are closed before servers do so (uvicorn and Node after 5 s): a request that meets the closing
 * fails, and nobody knows whether it was carried out.
 */
const IDLE = 4_000;
/**
 * Turns of the event loop before a request is sent: after a pause (a busy machine, or one that was asleep) the request
 * and the end of the connection that it would take arrive together, and it is for Node to clear the latter away first.
 */
const NEWS = 3;

/** What a network that is away, or a server that is being restarted, says to a connection. */
const AWAY = new Set([
  'ECONNREFUSED',
  'ECONNRESET',
  'ECONNABORTED',
  'EPIPE',
  'ETIMEDOUT',
  'EHOSTUNREACH',
  'EHOSTDOWN',
  'ENETUNREACH',
  'ENETDOWN',
  'ENOTFOUND',
  'EAI_AGAIN',
]);

/** An answer is taken as it comes. */
const UNHURRIED: BodyLimits = { most: 16 * 1024 * 1024, ready: async () => undefined };

/**
 * `fetch` for a bridge. The platform's own gives up on an answer after five minutes, and does not tell whether a
 * request was sent; this one waits for the answer for as long as it takes.
 */
export function httpFetch(limits: BodyLimits = UNHURRIED, lookup?: LookupFunction): Fetch {
  const options = { keepAlive: true, timeout: IDLE, ...(lookup && { lookup }) };
  const agents = { 'http:': new Agent(options), 'https:': new HttpsAgent(options) };
  return async (url, init = {}) => {
    const target = new URL(url);
    // One signal ends all requests of a session; Node warns of more than ten.
    if (init.signal) setMaxListeners(0, init.signal);
    for (let turns = 0; turns < NEWS; turns += 1) await turn();
    return exchange(target, init, target.protocol === 'https:' ? agents['https:'] : agents['http:'], limits);
  };
}

function exchange(url: URL, init: RequestInit, agent: Agent, limits: BodyLimits): Promise<Response> {
  const secure = url.protocol === 'https:';
  return new Promise((resolve, reject) => {
    const body = init.body === undefined || init.body === null ? null : String(init.body);
    const headers = Object.fromEntries(new Headers(init.headers));
    // Whoever compresses a stream holds it back.
    headers['accept-encoding'] ??= 'identity';
    if (body !== null) headers['content-length'] = String(Buffer.byteLength(body));
    const outgoing = (secure ? httpsRequest : httpRequest)(url, {
      method: init.method ?? 'GET',
      headers,
      agent,
      ...(init.signal && { signal: init.signal }),
    });
    let sent = false;
    const connecting = setTimeout(() => {
      outgoing.destroy(Object.assign(new Error('no connection'), { code: 'ETIMEDOUT' }));
    }, CONNECT_TIMEOUT);
    const connected = (): void => {
      sent = true;
      clearTimeout(connecting);
    };
    outgoing.once('socket', (socket) => {
      if (outgoing.reusedSocket) connected();
      else socket.once(secure ? 'secureConnect' : 'connect', connected);
    });
    outgoing.on('error', (error) => {
      clearTimeout(connecting);
      const unsent = !sent && init.signal?.aborted !== true;
      if (error instanceof OutOfReach) return reject(error);
      const code = codeOf(error);
      reject(unsent ? new Unreachable(`${url.host} cannot be reached (${code})`, AWAY.has(code)) : error);
    });
    outgoing.once('response', (incoming) => {
      // What cannot be read is the end of this exchange, not of the process.
      try {
        resolve(responseOf(incoming, limits));
      } catch (error) {
        reject(error);
      }
    });
    outgoing.end(body);
  });
}

/** As much of a Response as the SDK's transports ask for. The platform's own loads all of undici: 10 MB. */
function responseOf(incoming: IncomingMessage, limits: BodyLimits): Response {
  const headers = new Headers();
  for (const [name, value] of Object.entries(incoming.headers)) headers.set(name, String(value));
  const status = incoming.statusCode ?? 0;
  // In a coding that nobody knows it may be plain all the same.
  const decoded = through(incoming, decodersFor(incoming.headers['content-encoding']) ?? []);
  let stream: ReadableStream | undefined;
  const read = (): Promise<Buffer> => whole(decoded, limits);
  const response = {
    status,
    statusText: incoming.statusMessage ?? '',
    ok: status >= 200 && status < 300,
    headers,
    get body() {
      stream ??= Readable.toWeb(Readable.from(events(decoded, limits), { objectMode: false })) as ReadableStream;
      return stream;
    },
    arrayBuffer: read,
    // Asked for where there is no message in it.
    text: () => beginning(decoded),
    json: async () => JSON.parse((await read()).toString('utf8').replace(/^\uFEFF/, '')),
  };
  return response as unknown as Response;
}
