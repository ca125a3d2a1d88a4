import { request as httpRequest } from 'node:http';
import { request as httpsRequest } from 'node:https';
import type { Transform } from 'node:stream';
import { createBrotliDecompress, createGunzip, createInflate } from 'node:zlib';
import type { ClientAuth } from 'oauth4webapi';
import type { Answer } from '../ground/answer.js';
import type { Exchange } from '../ground/outcome.js';
import { isLoopback } from '../ground/recipe.js';
import type { ClientCredentials, TokenEndpoint } from '../ports/endpoint.js';

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

const DECODERS: Readonly<Record<string, () => Transform>> = {
  gzip: createGunzip,
  'x-gzip': createGunzip,
  deflate: createInflate,
  br: createBrotliDecompress,
};

function send(url: URL, { headers, body }: BuiltRequest, limits: EndpointLimits): Promise<Exchange> {
  const request = url.protocol === 'https:' ? httpsRequest : httpRequest;
  return new Promise((resolve) => {
    let sent = false;
    let head: Pick<Answer, 'status' | 'headers'> | null = null;
    const chunks: Buffer[] = [];
    let size = 0;
    const done = (complete: boolean, trouble: string | null): void => {
      clearTimeout(timer);
      const answer = head && { ...head, body: Buffer.concat(chunks).toString('utf8'), complete };
      resolve({ sent, answer, trouble });
      outgoing.destroy();
    };

    // Errors may come more than once, and after the end: each listener stays.
    const outgoing = request(url, {
      method: 'POST',
      agent: false,
      headers: { ...headers, 'content-length': Buffer.byteLength(body), connection: 'close' },
    });
    const timer = setTimeout(() => done(false, `no complete answer within ${limits.timeout} s`), limits.timeout * 1000);
    // From here on the server may have read it. Before, the request waits on this machine.
    outgoing.once('socket', (socket) => {
      socket.once(url.protocol === 'https:' ? 'secureConnect' : 'connect', () => {
        sent = true;
      });
    });
    outgoing.on('error', (error) => done(false, explain(error, url)));
    outgoing.once('response', (incoming) => {
      head = { status: incoming.statusCode ?? 0, headers: plainHeaders(incoming.headers) };
      const decoder = DECODERS[String(incoming.headers['content-encoding'] ?? '').toLowerCase()]?.();
      const stream = decoder ? incoming.pipe(decoder) : incoming;
      incoming.on('error', (error) => done(false, explain(error, url)));
      decoder?.on('error', () => done(false, 'the answer was compressed, and damaged'));
      stream.on('data', (chunk: Buffer) => {
        const room = limits.answerBytes - size;
        chunks.push(chunk.subarray(0, room));
        size += chunk.length;
        if (chunk.length > room) done(false, `the answer is longer than ${limits.answerBytes} bytes`);
      });
      stream.once('end', () => done(true, null));
    });
    outgoing.end(body);
  });
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
