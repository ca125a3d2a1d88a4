import { request as httpRequest, type IncomingMessage } from 'node:http';
import { request as httpsRequest } from 'node:https';
import { Readable, type Transform } from 'node:stream';
import type { ClientAuth } from 'oauth4webapi';
import type { Exchange } from '../ground/outcome.js';
import { isLoopback } from '../ground/recipe.js';
import { foreignText } from '../ground/secret.js';
import type { ClientCredentials, TokenEndpoint } from '../ports/endpoint.js';
import { ACCEPTED_CODINGS, decodersFor, through } from './http/content-codings.js';

export interface EndpointLimits {
  /** Seconds for the whole exchange. */
  readonly timeout: number;
  /** Bytes of an answer that are read, after decompression. */
  readonly answerBytes: number;
}

const ENDPOINT_LIMITS: EndpointLimits = { timeout: 60, answerBytes: 1024 * 1024 };

/**
 * Token requests as oauth4webapi builds them, sent over a connection of their own: a pooled connection that
 * the server closes just then makes a request fail of which nobody knows whether it was carried out.
 */
export function httpTokenEndpoint(limits: EndpointLimits = ENDPOINT_LIMITS): TokenEndpoint {
  return {
    async request(recipe, refreshToken) {
      const { grant, username, password } = recipe;
      const parameters: Record<string, string> = { ...recipe.parameters, grant_type: grant };
      if (grant === 'refresh_token') parameters.refresh_token = refreshToken?.reveal() ?? '';
      if (grant === 'password') {
        parameters.username = username ?? '';
        parameters.password = password?.reveal() ?? '';
      }
      return send(recipe.endpoint, await buildRequest(recipe, parameters), limits);
    },
    async exchange(client, parameters) {
      return send(client.endpoint, await buildRequest(client, parameters), limits);
    },
  };
}

interface BuiltRequest {
  readonly headers: Record<string, string>;
  readonly body: string;
}

async function buildRequest(
  client: ClientCredentials,
  { grant_type, ...parameters }: Readonly<Record<string, string>>,
): Promise<BuiltRequest> {
  const oauth = await import('oauth4webapi');
  const url = client.endpoint.href;
  const server = { issuer: client.endpoint.origin, token_endpoint: url, device_authorization_endpoint: url };
  const who = { client_id: client.clientId };
  let built: BuiltRequest | undefined;
  const options = {
    [oauth.allowInsecureRequests]: true, // the recipe has decided that already
    [oauth.customFetch]: async (_url: string, init: { headers: Record<string, string>; body?: unknown }) => {
      built = { headers: init.headers, body: String(init.body) };
      // Nothing is done with it: the request itself is sent by `send`.
      return {} as Response;
    },
  };
  const authentication = clientAuthentication(client, oauth);
  if (grant_type === undefined)
    await oauth.deviceAuthorizationRequest(server, who, authentication, parameters, options);
  else await oauth.genericTokenEndpointRequest(server, who, authentication, grant_type, parameters, options);
  if (!built) throw new Error('oauth4webapi built no request');
  return built;
}

function clientAuthentication(recipe: ClientCredentials, oauth: typeof import('oauth4webapi')): ClientAuth {
  const secret = recipe.clientSecret?.reveal() ?? '';
  switch (recipe.authMethod) {
    case 'none':
      return oauth.None();
    case 'client_secret_post':
      return oauth.ClientSecretPost(secret);
    case 'client_secret_basic':
      // As oauth.ClientSecretBasic, but "-", "." and "_" stay what they are: RFC 6749 appendix B wants nothing
      // else, and servers that do not decode are many.
      return (_server, _client, _body, headers) => {
        const pair = `${formEncoded(recipe.clientId)}:${formEncoded(secret)}`;
        headers.set('authorization', `Basic ${Buffer.from(pair).toString('base64')}`);
      };
  }
}

function formEncoded(text: string): string {
  return new URLSearchParams({ _: text }).toString().slice(2);
}

function send(url: URL, { headers, body }: BuiltRequest, limits: EndpointLimits): Promise<Exchange> {
  const request = url.protocol === 'https:' ? httpsRequest : httpRequest;
  return new Promise((resolve, reject) => {
    let sent = false;
    let incoming: IncomingMessage | null = null;
    const received = bounded(limits.answerBytes);
    const done = (complete: boolean, trouble: string | null): void => {
      clearTimeout(timer);
      const exchange = incoming && readAnswer(incoming, received.bytes(), complete, trouble, limits.answerBytes);
      (exchange ?? Promise.resolve({ sent, answer: null, trouble })).then(resolve, reject);
      outgoing.destroy();
    };

    // Errors may come more than once, and after the end: each listener stays.
    const outgoing = request(url, {
      method: 'POST',
      agent: false,
      headers: {
        ...headers,
        'accept-encoding': ACCEPTED_CODINGS,
        'content-length': Buffer.byteLength(body),
        connection: 'close',
      },
    });
    const timer = setTimeout(() => done(false, `no complete answer within ${limits.timeout} s`), limits.timeout * 1000);
    // From here on the server may have read it. Before, the request waits on this machine.
    outgoing.once('socket', (socket) => {
      socket.once(url.protocol === 'https:' ? 'secureConnect' : 'connect', () => {
        sent = true;
      });
    });
    outgoing.on('error', (error) => done(false, explain(error, url)));
    outgoing.once('response', (response) => {
      incoming = response;
      response.on('error', (error) => done(false, explain(error, url)));
      response.on('data', (chunk: Buffer) => {
        if (!received.add(chunk)) done(false, tooLong(limits.answerBytes));
      });
      response.once('end', () => done(true, null));
    });
    outgoing.end(body);
  });
}

/**
 * The answer, its content codings undone: after all of it has come, so that nothing in it can be an error of a
 * listener, which would end the process and every other exchange with it.
 */
async function readAnswer(
  { statusCode, headers }: IncomingMessage,
  received: Buffer,
  complete: boolean,
  trouble: string | null,
  limit: number,
): Promise<Exchange> {
  const coding = headers['content-encoding'];
  const decoders = decodersFor(coding);
  const { bytes, failed, full } = await decode(received, decoders ?? [], limit);
  // What is said to be compressed and is plain JSON all the same is read as such.
  const body = bytes.length === 0 ? received : bytes;
  const damaged = failed && !isPlain(body) ? 'the answer was compressed, and damaged' : null;
  const unknown = decoders ? null : `the answer is in a content coding that is not known: ${quoted(coding)}`;
  return {
    sent: true,
    answer: {
      status: statusCode ?? 0,
      headers: plainHeaders(headers),
      body: body.toString('utf8'),
      complete: complete && !full && damaged === null,
    },
    trouble: trouble ?? (full ? tooLong(limit) : damaged) ?? unknown,
  };
}

interface Decoded {
  readonly bytes: Buffer;
  readonly failed: boolean;
  /** There is more of it than is read. */
  readonly full: boolean;
}

function decode(received: Buffer, decoders: readonly Transform[], limit: number): Promise<Decoded> {
  const decoded = bounded(limit);
  return new Promise((resolve) => {
    const end = (failed: boolean, full: boolean): void => {
      resolve({ bytes: decoded.bytes(), failed, full });
      for (const decoder of decoders) decoder.destroy();
    };
    const stream = through(Readable.from([received]), decoders);
    for (const decoder of decoders) decoder.on('error', () => end(true, false));
    stream.on('data', (chunk: Buffer) => {
      if (!decoded.add(chunk)) end(false, true);
    });
    stream.once('end', () => end(false, false));
  });
}

/** Bytes up to a limit. */
function bounded(limit: number) {
  const chunks: Buffer[] = [];
  let size = 0;
  return {
    /** False when there is no room for all of it. */
    add(chunk: Buffer): boolean {
      const room = limit - size;
      chunks.push(chunk.subarray(0, room));
      size += Math.min(chunk.length, room);
      return chunk.length <= room;
    },
    bytes: () => Buffer.concat(chunks),
  };
}

function isPlain(body: Buffer): boolean {
  return body.toString('utf8', 0, 20).trimStart().startsWith('{');
}

function tooLong(limit: number): string {
  return `the answer is longer than ${limit} bytes`;
}

function quoted(coding: string | undefined): string {
  return `"${foreignText(coding ?? '', [], 40)}"`;
}

function plainHeaders(headers: Readonly<Record<string, string | string[] | undefined>>): Record<string, string> {
  const plain: Record<string, string> = {};
  for (const [name, value] of Object.entries(headers)) if (value !== undefined) plain[name] = String(value);
  return plain;
}

function explain(error: Error, url: URL): string {
  const code = 'code' in error ? String(error.code) : '';
  switch (code) {
    case 'ECONNREFUSED':
      return `${url.host} refuses connections`;
    case 'ENOTFOUND':
    case 'EAI_AGAIN':
      return `the name ${url.hostname} cannot be resolved${isLoopback(url.hostname) ? '' : '; is the network up?'}`;
    case 'ECONNRESET':
      return `${url.host} broke off the connection`;
    default:
      return `${url.host}: ${code || 'the connection failed'}`;
  }
}
