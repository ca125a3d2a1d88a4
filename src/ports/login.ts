import type { AuthMethod } from '../ground/provider.js';
import type { Secret } from '../ground/secret.js';

/** What an MCP server and its authorization server tell of themselves (RFC 9728, RFC 8414, OpenID Connect Discovery). */
export interface Discovered {
  readonly issuer: string;
  readonly authorizationEndpoint: string | null;
  readonly deviceEndpoint: string | null;
  readonly tokenEndpoint: string;
  readonly registrationEndpoint: string | null;
  readonly authMethods: readonly string[];
  readonly scopes: readonly string[];
  /** The scope of the challenge, else the resource's scopes. */
  readonly wantedScope: string | null;
  /** Null where the server has no metadata of its own. */
  readonly resource: string | null;
  readonly namesItself: boolean;
  readonly pkce: readonly string[];
}

/** A client that was registered with an authorization server (RFC 7591). */
export interface Registration {
  readonly issuer: string;
  readonly clientId: string;
  readonly clientSecret: Secret | null;
  readonly authMethod: AuthMethod;
  /** Epoch seconds; null for never. */
  readonly secretExpiresAt: number | null;
  /** Null for one that was registered for devices. */
  readonly redirectUri: string | null;
}

export interface Discovery {
  /** Asks an MCP server, as it would be asked without a token, and then its authorization server. Rejects (Error). */
  ofServer(url: string): Promise<Discovered>;
  /** Asks an authorization server. Rejects (Error). */
  ofIssuer(issuer: string): Promise<Discovered>;
  /** Registers this program as a native application. Rejects (Error). */
  register(at: Discovered, redirectUri: string | null, scope: string | null): Promise<Registration>;
}

/** Registrations by issuer, kept from one login to the next. */
export interface Registrations {
  of(issuer: string): Registration | null;
  keep(registration: Registration): Promise<void>;
  forget(issuer: string): Promise<void>;
  /** The same for the one of this client id. */
  forgetClient(clientId: string): Promise<void>;
}

/** What a browser that was sent away comes back to (RFC 8252 section 7.3). */
export interface Loopback {
  /** Listens at this very address; null when its port is taken. Without one, on a free port. */
  listen(redirectUri: string | null): Promise<Listener | null>;
}

export interface Listener {
  readonly redirectUri: string;
  /** The next visit of the redirect's path; null once the signal is aborted. */
  next(signal: AbortSignal): Promise<Visit | null>;
  close(): Promise<void>;
}

export interface Visit {
  readonly parameters: URLSearchParams;
  /** Shows the person a page. */
  reply(good: boolean, text: string): void;
}

export interface Browser {
  /** Whether one was opened, as far as can be told. */
  open(url: URL): Promise<boolean>;
}

/** Fresh random values for one login: `state`, and verifier and challenge of PKCE. */
export type LoginSecrets = () => Promise<{
  readonly state: string;
  readonly verifier: string;
  readonly challenge: string;
}>;

/** The ways in which a person can log in. */
export interface LoginPorts {
  readonly discovery: Discovery;
  readonly registrations: Registrations;
  readonly loopback: Loopback;
  readonly browser: Browser;
  readonly secrets: LoginSecrets;
}
