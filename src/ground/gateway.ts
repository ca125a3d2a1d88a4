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

/** The headers that open the gateway, on every entry that goes through it; none without its token. */
export function gatewayHeaders(tokens: readonly Token[], environment: Environment): Record<string, string | Secret> {
  const token = gatewayToken(tokens, environment);
  if (!token?.rendered) return {};
  const headers: Record<string, string | Secret> = {
    'X-Authorization': new Secret(`Bearer ${token.rendered.reveal()}`),
  };
  for (const [header, fields] of GATEWAY_HEADERS) {
    const value = fields.map((field) => token.fields[field]).find((found) => found !== undefined);
    if (value !== undefined && whyNoHeaderValue(value) === null) headers[header] = value;
  }
  return headers;
}
