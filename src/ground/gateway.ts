import { ownValue } from './lookup.js';
import { type Environment, environmentValue, fieldFromEnvironment, type Provider } from './provider.js';
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
export function gatewayOf(
  tokens: readonly Token[],
  providers: ReadonlyMap<string, Provider>,
  environment: Environment,
): Gateway {
  const token = gatewayToken(tokens, environment);
  if (!token?.rendered) return { token: token?.name ?? null, headers: {} };
  const headers: Record<string, string | Secret> = {
    'X-Authorization': new Secret(`Bearer ${token.rendered.reveal()}`),
  };
  const provider = providers.get(token.provider ?? '') ?? null;
  // What this program has acquired itself was acquired with what the environment says.
  const fieldOf = ({ fields, wanted }: Token, name: string): string | null =>
    ownValue(fields, name) ?? (wanted && fieldFromEnvironment(name, provider, environment));
  for (const [header, fields] of GATEWAY_HEADERS) {
    const value = fields.map((field) => fieldOf(token, field)).find((found) => found !== null) ?? null;
    if (value !== null && whyNoHeaderValue(value) === null) headers[header] = value;
  }
  return { token: token.name, headers };
}
