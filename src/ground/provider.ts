import type { ProviderFile } from './file-types.js';
import { ownValue } from './lookup.js';

/** An OAuth provider, as its definition in registry/providers says. */
export interface Provider {
  readonly name: string;
  readonly displayName: string;
  /** RFC 8414; like the endpoints, with `{name}` placeholders. */
  readonly issuer: string | null;
  readonly authorizationEndpoint: string | null;
  readonly deviceEndpoint: string | null;
  readonly tokenEndpoint: string;
  /** Scopes that every login asks for. */
  readonly scopes: readonly string[];
  /** Additional parameters of the authorization request. */
  readonly authorizeParameters: Readonly<Record<string, string>>;
  readonly grantType: GrantType | null;
  readonly authMethod: AuthMethod | null;
  /** Additional parameters of the token request. */
  readonly tokenParameters: Readonly<Record<string, string>>;
  /** Field to the environment names that may hold it, in order. */
  readonly environment: Readonly<Record<string, readonly string[]>>;
  /** Field to the other names it has in token files. */
  readonly aliases: Readonly<Record<string, readonly string[]>>;
  /** Headers its API wants, with `{field}` placeholders. */
  readonly headers: Readonly<Record<string, string>>;
  readonly deadCodes: readonly string[];
}

export type GrantType = 'refresh_token' | 'client_credentials' | 'password';
export type AuthMethod = 'client_secret_basic' | 'client_secret_post' | 'none';

export type Environment = Readonly<Record<string, string | undefined>>;

/** Reads a definition that its schema has accepted. */
export function readProvider(file: ProviderFile): Provider {
  const environment = Object.entries(file.environment ?? {});
  return {
    name: file.provider,
    displayName: file.display_name ?? file.provider,
    issuer: file.issuer ?? null,
    authorizationEndpoint: file.authorization_endpoint ?? null,
    deviceEndpoint: file.device_authorization_endpoint ?? null,
    tokenEndpoint: file.token_endpoint,
    scopes: file.scopes ?? [],
    authorizeParameters: file.parameters?.authorize ?? {},
    grantType: file.grant_type ?? null,
    authMethod: file.token_endpoint_auth_method ?? null,
    tokenParameters: file.parameters?.token ?? {},
    environment: Object.fromEntries(
      environment.map(([field, names]) => [field, typeof names === 'string' ? [names] : names]),
    ),
    aliases: file.quirks?.aliases ?? {},
    headers: file.quirks?.headers ?? {},
    deadCodes: file.quirks?.dead_codes ?? [],
  };
}

/** A non-empty value of the environment. */
export function environmentValue(environment: Environment, name: string): string | null {
  const value = ownValue(environment, name)?.trim();
  return value === undefined || value === '' ? null : value;
}

/** The names that a provider has for a field in the environment, in order. */
export function environmentNames(field: string, provider: Provider | null): readonly string[] {
  return (provider && ownValue(provider.environment, field)) ?? [];
}

/** A field's value under the first of the names that its provider has for it. */
export function fieldFromEnvironment(
  field: string,
  provider: Provider | null,
  environment: Environment,
): string | null {
  for (const name of environmentNames(field, provider)) {
    const value = environmentValue(environment, name);
    if (value !== null) return value;
  }
  return null;
}

const PLACEHOLDER = /\{([A-Za-z0-9_]+)\}/g;

/** Puts values in the place of `{name}`; the names that have none are listed instead. */
export function fillPlaceholders(
  template: string,
  lookUp: (name: string) => string | null,
): { readonly text: string; readonly missing: readonly string[] } {
  const missing: string[] = [];
  const text = template.replace(PLACEHOLDER, (placeholder, name: string) => {
    const value = lookUp(name);
    if (value === null) missing.push(name);
    return value ?? placeholder;
  });
  return { text, missing };
}
