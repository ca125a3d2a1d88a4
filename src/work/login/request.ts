import type { Clock } from '../../ports/clock.js';
import type { TokenEndpoint } from '../../ports/endpoint.js';
import type { LoginPorts } from '../../ports/login.js';
import type { InFlight } from '../in-flight.js';
import type { Keep } from '../keep.js';
import type { World } from '../load.js';
import type { LoginTarget } from './target.js';

export interface LoginRequest {
  readonly target: LoginTarget;
  readonly world: World;
  /** By a code that is typed in on another device (RFC 8628). */
  readonly device: boolean;
  /** In place of those that the server or the definition ask for. */
  readonly scope: string | null;
  /** The address that the client was registered with, where it is a certain one; a loopback one. */
  readonly redirectUri: string | null;
  readonly openBrowser: boolean;
  readonly allowHttp: boolean;
  readonly signal: AbortSignal;
  readonly tell: (message: string) => void;
}

export interface LoggedIn {
  readonly name: string;
  readonly file: string;
  /** Seconds; null when the answer does not tell. */
  readonly expiresIn: number | null;
  readonly renewable: boolean;
  /** Why clients will not be given it; null when they will. */
  readonly trouble: string | null;
}

/** Logs a person in and keeps the token. Rejects with a LoginError; then nothing has been written. */
export type Login = (request: LoginRequest) => Promise<LoggedIn>;

export interface LoginParts {
  readonly ports: LoginPorts;
  readonly endpoint: TokenEndpoint;
  readonly keep: Keep;
  readonly clock: Clock;
  readonly inFlight: InFlight;
}
