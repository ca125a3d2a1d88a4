/**
 * Every way in which a refresh can fail. Code decides on `kind` and on nothing else; the text for people is
 * made where the failure is reported.
 *
 * - `dead`: the refresh token is refused; asked once more after five minutes, then a login is needed.
 * - `configuration`: nothing will change until somebody changes a file, a name or a secret.
 * - `transient`: ask again, with growing pauses, for as long as it takes.
 * - `lost`: the request may have been carried out, its answer is not known; ask again soon with the same token.
 * - `local`: nothing was sent; this machine must recover first (disk, lock).
 */
export type FailureKind = 'dead' | 'configuration' | 'transient' | 'lost' | 'local';

export interface Failure {
  readonly kind: FailureKind;
  /** The server's error code (RFC 6749 section 5.2 or its own), or one of ours. */
  readonly code: string;
  /** What happened, for people; holds nothing secret. */
  readonly detail: string;
  /** Seconds the server asked to be left alone, for the whole host. */
  readonly retryAfter?: number;
}

const CODES: Readonly<Record<string, FailureKind>> = {
  invalid_grant: 'dead',
  bad_refresh_token: 'dead', // GitHub
  invalid_refresh_token: 'dead', // Slack
  token_expired: 'dead', // Slack
  token_revoked: 'dead', // Slack
  account_inactive: 'dead', // Slack
  expired_token: 'dead',

  invalid_client: 'configuration',
  unauthorized_client: 'configuration',
  invalid_scope: 'configuration',
  invalid_request: 'configuration',
  invalid_target: 'configuration', // RFC 8707
  unsupported_grant_type: 'configuration',
  incorrect_client_credentials: 'configuration', // GitHub
  access_denied: 'configuration', // Atlassian, for a wrong client secret
  bad_client_secret: 'configuration', // Slack
  invalid_client_id: 'configuration', // Slack
  invalid_client_secret: 'configuration',
  interaction_required: 'configuration', // Entra ID: multi-factor authentication
  consent_required: 'configuration',
  redirected: 'configuration',

  server_error: 'transient',
  temporarily_unavailable: 'transient',
  slow_down: 'transient',
  ratelimited: 'transient', // Slack
  rate_limited: 'transient',
  // These two of Slack's "may have partly succeeded", which is what a lost answer is.
  internal_error: 'lost',
  fatal_error: 'lost',

  unreachable: 'transient',
  answer_lost: 'lost',
  answer_unusable: 'lost',
  cannot_save: 'local',
  not_saved: 'local',
  lock_lost: 'local',
  not_now: 'local',
};

/** Whether it is a reason that is known, and no other. */
export function isKnownCode(code: string): boolean {
  return Object.hasOwn(CODES, code);
}

/**
 * What an error code means. A code decides before any HTTP status does (GitHub and Slack send errors with
 * 200, Atlassian and Auth0 with 403), with one exception: Auth0 says `access_denied` for its global limit.
 */
export function kindOfCode(code: string, status: number): FailureKind {
  const kind = Object.hasOwn(CODES, code) ? CODES[code] : undefined;
  if (kind === 'configuration' && (status >= 500 || status === 429)) return 'transient';
  return kind ?? 'transient';
}
