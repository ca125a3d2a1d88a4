import type { AuthMethod } from './provider.js';
import { foreignText, type Secret } from './secret.js';

/** Where a person logs in, as which client, and for what. */
export interface Authorization {
  /** The `provider` of the token file. */
  readonly provider: string;
  /** RFC 8414; null where a definition names none. */
  readonly issuer: string | null;
  readonly authorizationEndpoint: string | null;
  readonly deviceEndpoint: string | null;
  readonly tokenEndpoint: URL;
  readonly clientId: string;
  readonly clientSecret: Secret | null;
  readonly authMethod: AuthMethod;
  readonly scope: string | null;
  /** RFC 8707. */
  readonly resource: string | null;
  /** Whether the server has said that it always names itself in its redirects (RFC 9207). */
  readonly namesItself: boolean;
  readonly authorizeParameters: Readonly<Record<string, string>>;
  readonly tokenParameters: Readonly<Record<string, string>>;
  /** What the token's file has to say so that it can be refreshed where no definition tells how. */
  readonly fields: Readonly<Record<string, unknown>>;
}

/** What one browser login is known again by. */
export interface Ticket {
  readonly redirectUri: string;
  readonly state: string;
  /** RFC 7636, S256. */
  readonly challenge: string;
}

/** The address that the browser is sent to (RFC 6749 section 4.1.1). */
export function authorizationUrl(to: Authorization, endpoint: URL, { redirectUri, state, challenge }: Ticket): URL {
  const url = new URL(endpoint);
  const parameters: Record<string, string | null> = {
    response_type: 'code',
    client_id: to.clientId,
    redirect_uri: redirectUri,
    scope: to.scope,
    state,
    code_challenge: challenge,
    code_challenge_method: 'S256',
    resource: to.resource,
    // OpenID Connect Core section 11: offline_access is ignored without it.
    prompt: to.scope?.split(' ').includes('offline_access') ? 'consent' : null,
    ...to.authorizeParameters,
  };
  for (const [name, value] of Object.entries(parameters)) if (value !== null) url.searchParams.set(name, value);
  return url;
}

export type Redirected =
  | { readonly code: string }
  | { readonly refusal: string }
  /** Not an answer to this login: somebody else's, or a stranger's attempt. */
  | 'foreign';

/** Reads what the browser comes back with (RFC 6749 section 4.1.2, RFC 9207 section 2.4). */
export function readRedirect(
  parameters: URLSearchParams,
  { state }: Pick<Ticket, 'state'>,
  { issuer, namesItself }: Pick<Authorization, 'issuer' | 'namesItself'>,
): Redirected {
  if (parameters.get('state') !== state) return 'foreign';
  const iss = parameters.get('iss');
  if (iss === null && namesItself)
    return { refusal: 'the answer does not name its issuer, which this server always does' };
  if (iss !== null && issuer !== null && iss !== issuer) {
    return { refusal: `the answer comes from ${foreignText(iss, [])} and not from ${issuer}: it is not used` };
  }
  const error = parameters.get('error');
  if (error !== null) {
    const described = parameters.get('error_description');
    return { refusal: foreignText(described === null ? error : `${error}: ${described}`, []) };
  }
  const code = parameters.get('code');
  return code ? { code } : { refusal: 'the answer holds no code' };
}

/** Scopes in the order they were named, each once; null for none. */
export function joinScopes(...lists: readonly (string | readonly string[] | null)[]): string | null {
  const all = lists.flatMap((list) => (typeof list === 'string' ? list.split(/\s+/) : (list ?? [])));
  const distinct = [...new Set(all.filter((scope) => scope !== ''))];
  return distinct.length === 0 ? null : distinct.join(' ');
}
