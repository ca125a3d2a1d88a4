import { type Environment, environmentValue } from './provider.js';
import { Secret } from './secret.js';
import { type Token, whyNoHeaderValue } from './token.js';

/** What the gateway wants to know, by the fields of its token: Keycloak's or Cognito's. */
const GATEWAY_HEADERS: readonly (readonly [header: string, fields: readonly string[]])[] = [
  ['X-Client-Id', ['client_id']],
  ['X-User-Pool-Id', ['user_pool_id']],
  ['X-Region', ['region']],
  ['X-Keycloak-Realm', ['keycloak_realm', 'realm']],
  ['X-Keycloak-URL', ['keycloak_url']],
];

const INGRESS = 'ingress';
const KEYCLOAK_AGENT = 'agent-ai-coding-assistant-m2m';

/** The token that opens the gateway itself. */
function gatewayToken(tokens: readonly Token[], environment: Environment): Token | null {
  const named = (name: string): Token | null => tokens.find((token) => token.name === name) ?? null;
  const keycloak = environmentValue(environment, 'AUTH_PROVIDER')?.toLowerCase() === 'keycloak';
  return (keycloak ? named(KEYCLOAK_AGENT) : null) ?? named(INGRESS);
}

/** What opens the gateway, on every entry that goes through it. */
export interface Gateway {
  /** The name of its token. */
  readonly token: string | null;
  readonly headers: Readonly<Record<string, string | Secret>>;
}

/** No headers without a token. */
export function gatewayOf(tokens: readonly Token[], environment: Environment): Gateway {
  const token = gatewayToken(tokens, environment);
  if (!token?.rendered) return { token: token?.name ?? null, headers: {} };
  const headers: Record<string, string | Secret> = {
    'X-Authorization': new Secret(`Bearer ${token.rendered.reveal()}`),
  };
  for (const [header, fields] of GATEWAY_HEADERS) {
    const value = fields.map((field) => token.fields[field]).find((found) => found !== undefined);
    if (value !== undefined && whyNoHeaderValue(value) === null) headers[header] = value;
  }
  return { token: token.name, headers };
}
