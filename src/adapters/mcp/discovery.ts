import {
  type AuthorizationServerMetadata,
  discoverAuthorizationServerMetadata,
  discoverOAuthServerInfo,
  extractWWWAuthenticateParams,
  registerClient,
  selectResourceURL,
} from '@modelcontextprotocol/client';
import { whyOutOfReach } from '../../ground/reach.js';
import { isLoopback } from '../../ground/recipe.js';
import { secretOrNull } from '../../ground/secret.js';
import { openAddress } from '../../ground/supposed.js';
import type { Discovered, Discovery, Registration } from '../../ports/login.js';
import { guardedLookup, OutOfReach } from './guarded-lookup.js';
import { httpFetch } from './http-fetch.js';
import { KNOCK, KNOCK_HEADERS } from './knock.js';

/** For each request; milliseconds. */
const PATIENCE = 15_000;
/** Bytes of an answer that are read. */
const LARGEST = 1024 * 1024;
const DEVICE_GRANT = 'urn:ietf:params:oauth:grant-type:device_code';

/** Discovery and registration as the MCP authorization specification of 2026-07-28 has them, by the official SDK. */
export function sdkDiscovery(allowHttp: boolean): Discovery {
  /** Whose metadata leads to what is asked right now. */
  let leader: string | null = null;
  const plainFetch = httpFetch(
    undefined,
    guardedLookup(() => leader),
  );
  const patientFetch = (url: string | URL, init: RequestInit = {}): Promise<Response> => {
    return plainFetch(new URL(url), { ...init, signal: AbortSignal.timeout(PATIENCE) });
  };
  /**
   * Whoever can change an answer on its way decides where the person logs in: but for what they named, https alone. And
   * nobody leads from elsewhere to this machine.
   */
  const fetchFrom = (named: string) => {
    return async (url: string | URL, init?: RequestInit): Promise<Response> => {
      const { protocol, hostname, host, origin } = new URL(url);
      leader = new URL(named).hostname;
      const far = whyOutOfReach(leader, hostname);
      if (far !== null) throw new OutOfReach(far);
      const safe = protocol !== 'http:' || allowHttp || isLoopback(hostname) || origin === new URL(named).origin;
      // A TypeError, as the SDK takes other errors for metadata that is not there.
      if (!safe) throw new TypeError(`${host} is not to be asked without https`);
      return whole(await patientFetch(url, init), host);
    };
  };
  /** What the SDK needs to know of the server, to register with it. */
  const metadataOf = new WeakMap<Discovered, AuthorizationServerMetadata>();

  const found = (
    named: string,
    metadata: AuthorizationServerMetadata,
    resource: string | null,
    wanted: string | null,
  ): Discovered => {
    const more: Readonly<Record<string, unknown>> = metadata;
    const discovered = {
      issuer: metadata.issuer,
      authorizationEndpoint: textOf(metadata.authorization_endpoint),
      deviceEndpoint: textOf(more.device_authorization_endpoint),
      tokenEndpoint: metadata.token_endpoint,
      registrationEndpoint: textOf(metadata.registration_endpoint),
      authMethods: textsOf(metadata.token_endpoint_auth_methods_supported),
      scopes: textsOf(metadata.scopes_supported),
      wantedScope: wanted,
      resource,
      namesItself: more.authorization_response_iss_parameter_supported === true,
      pkce: textsOf(metadata.code_challenge_methods_supported),
    };
    for (const url of [
      discovered.authorizationEndpoint,
      discovered.deviceEndpoint,
      discovered.tokenEndpoint,
      discovered.registrationEndpoint,
    ]) {
      const far =
        url !== null && URL.canParse(url) ? whyOutOfReach(new URL(named).hostname, new URL(url).hostname) : null;
      if (far !== null) throw new OutOfReach(far);
    }
    metadataOf.set(discovered, metadata);
    return discovered;
  };

  return {
    async ofServer(url) {
      leader = null;
      const response = await patientFetch(url, {
        method: 'POST',
        headers: KNOCK_HEADERS,
        body: KNOCK,
      });
      await response.body?.cancel();
      const challenge = response.status === 401 ? await challengeOf(response) : {};
      const { resourceMetadataUrl } = challenge;
      const info = await plainly(
        discoverOAuthServerInfo(url, { fetchFn: fetchFrom(url), ...(resourceMetadataUrl && { resourceMetadataUrl }) }),
      );
      if (!info.authorizationServerMetadata) {
        throw new Error(
          `${openAddress(url)} (HTTP ${response.status}) names no authorization server whose metadata can be read`,
        );
      }
      const { resourceMetadata } = info;
      // Checks that the metadata speaks of this very server; the text is sent as it was written.
      if (resourceMetadata) await selectResourceURL(url, NO_PROVIDER, resourceMetadata);
      const scope = challenge.scope ?? (resourceMetadata?.scopes_supported?.join(' ') || null);
      return found(url, info.authorizationServerMetadata, resourceMetadata?.resource ?? null, scope);
    },
    async ofIssuer(issuer) {
      const metadata = await plainly(discoverAuthorizationServerMetadata(issuer, { fetchFn: fetchFrom(issuer) }));
      if (!metadata) throw new Error(`${issuer} tells nothing of itself under /.well-known/`);
      return found(issuer, metadata, null, null);
    },
    async register(at, redirectUri, scope): Promise<Registration> {
      const metadata = metadataOf.get(at);
      const supported = at.authMethods.length === 0 || at.authMethods.includes('none');
      const registering = registerClient(at.issuer, {
        ...(metadata && { metadata }),
        clientMetadata: {
          client_name: 'token-refresher',
          application_type: 'native',
          // Required of everybody, also of those whom nobody is sent back to.
          redirect_uris: [redirectUri ?? 'http://127.0.0.1/callback'],
          grant_types: ['authorization_code', 'refresh_token', ...(redirectUri === null ? [DEVICE_GRANT] : [])],
          response_types: ['code'],
          token_endpoint_auth_method: supported ? 'none' : (at.authMethods[0] ?? 'none'),
        },
        ...(scope !== null && { scope }),
        fetchFn: fetchFrom(at.issuer),
      });
      const client = await plainly(registering);
      if (client.client_id === '') throw new Error('client_id: is empty');
      const method = client.token_endpoint_auth_method ?? (client.client_secret ? 'client_secret_basic' : 'none');
      return {
        issuer: at.issuer,
        clientId: client.client_id,
        clientSecret: secretOrNull(client.client_secret),
        authMethod:
          client.client_secret && (method === 'client_secret_basic' || method === 'client_secret_post')
            ? method
            : 'none',
        // RFC 7591 section 3.2.1: 0 is for never.
        secretExpiresAt: client.client_secret_expires_at || null,
        redirectUri,
      };
    },
  };
}

/** The SDK asks it only whether it knows better, and it does not. */
const NO_PROVIDER = {} as Parameters<typeof selectResourceURL>[1];

/** An answer that was read to its end, which has to be near. */
async function whole(response: Response, host: string): Promise<Response> {
  const chunks: Uint8Array[] = [];
  let size = 0;
  for await (const chunk of response.body ?? []) {
    size += chunk.length;
    if (size > LARGEST) throw new TypeError(`the answer of ${host} is longer than ${LARGEST} bytes`);
    chunks.push(chunk);
  }
  const text = Buffer.concat(chunks).toString('utf8');
  const { status, statusText, ok, headers } = response;
  const read = { status, statusText, ok, headers, text: async () => text, json: async () => JSON.parse(text) };
  return read as unknown as Response;
}

/** What is wrong with an answer, in a line: a ZodError has a page of it. */
async function plainly<T>(work: Promise<T>): Promise<T> {
  try {
    return await work;
  } catch (error) {
    // Its message quotes what was read.
    if (error instanceof SyntaxError) throw new Error('its answer is not JSON', { cause: error });
    const [issue] = error instanceof Error && 'issues' in error ? (error.issues as Issue[]) : [];
    throw issue ? new Error(`${issue.path.join('/')}: ${issue.message}`, { cause: error }) : error;
  }
}

type Issue = { readonly path: readonly PropertyKey[]; readonly message: string };

function textOf(value: unknown): string | null {
  return typeof value === 'string' && value !== '' ? value : null;
}

function textsOf(value: unknown): string[] {
  return Array.isArray(value) ? value.filter((item): item is string => typeof item === 'string') : [];
}

/**
 * What a 401 says of the way in. The SDK reads a header that holds nothing else; oauth4webapi reads several challenges,
 * in whatever order and spelling (RFC 9110 section 11.6.1).
 */
async function challengeOf(response: Response): Promise<{ resourceMetadataUrl?: URL; scope?: string }> {
  const header = response.headers.get('www-authenticate');
  if (header === null) return {};
  const oauth = await import('oauth4webapi');
  const again = new Response(null, { status: 401, headers: { 'www-authenticate': header } });
  const issuer = 'https://unused.invalid';
  const error: unknown = await oauth
    .processDeviceAuthorizationResponse({ issuer }, { client_id: 'unused' }, again)
    .catch((reason: unknown) => reason);
  const challenges = error instanceof oauth.WWWAuthenticateChallengeError ? error.cause : [];
  for (const { parameters } of challenges) {
    const { resource_metadata: url, scope } = parameters;
    if (url !== undefined && URL.canParse(url))
      return { resourceMetadataUrl: new URL(url), ...(scope !== undefined && { scope }) };
  }
  return extractWWWAuthenticateParams(response);
}
