// Generated from schemas/*.schema.json by "npm run generate"; change those.

/**
 * One token in one file: .oauth-tokens/*.json, .mcp_tokens_*.json.
 */
export interface TokenFile {
  provider?: string;
  access_token?: string | null;
  refresh_token?: string | null;
  token_type?: unknown;
  /**
   * epoch seconds (or milliseconds, ...), ISO 8601, RFC 1123, or null; what cannot be read is named
   */
  expires_at?: {
    [k: string]: unknown;
  };
  /**
   * a number of seconds
   */
  expires_in?: {
    [k: string]: unknown;
  };
  scope?: unknown;
  grant_type?: 'refresh_token' | 'client_credentials' | 'password' | 'authorization_code' | null;
  /**
   * an http or https URL
   */
  token_endpoint?: string;
  /**
   * client_secret_basic, client_secret_post or none
   */
  token_endpoint_auth_method?: {
    [k: string]: unknown;
  };
  client_id?: string | null;
  client_secret?: string | null;
  resource?: unknown;
  audience?: unknown;
  cloud_id?: unknown;
  [k: string]: unknown;
}

/**
 * Many tokens in one file: one for each user and one of the client's own (.kroger_tokens.json).
 */
export interface TokenStoreFile {
  user_tokens?: {
    [k: string]: TokenFile;
  };
  client_credentials?: TokenFile | null;
  /**
   * epoch seconds, ISO 8601, or null; what cannot be read is named
   */
  last_updated?: {
    [k: string]: unknown;
  };
  [k: string]: unknown;
}

/**
 * registry/servers/*.json: an MCP server, as the MCP Gateway Registry defines it.
 */
export type ServerFile = {
  [k: string]: unknown;
} & {
  server_name?: string;
  description?: string | null;
  /**
   * a URL path without "." and ".." segments
   */
  path?: string;
  proxy_pass_url?: Url;
  mcp_endpoint?: Url;
  /**
   * what the server wants; counts before auth_type
   */
  auth_scheme?: 'none' | 'bearer' | 'api_key' | 'oauth' | 'custom' | 'api-key' | null;
  auth_type?: 'none' | 'oauth' | 'custom' | 'api_key' | 'api-key' | 'bearer' | null;
  auth_provider?: string | null;
  /**
   * the name of a token
   */
  token?: string;
  is_enabled?: boolean;
  supported_transports?: ('streamable-http' | 'streamable_http' | 'http' | 'sse' | 'stdio')[] | null;
  /**
   * names to values, also as a list of such objects, of {"name", "value"} pairs, or of "NAME: VALUE"
   */
  headers?:
    | {
        [k: string]: unknown;
      }
    | unknown[]
    | null;
  command?: string;
  args?: string[];
  /**
   * as headers
   */
  env?:
    | {
        [k: string]: unknown;
      }
    | unknown[]
    | null;
  [k: string]: unknown;
};
/**
 * an http or https URL
 */
export type Url = string | null;

/**
 * registry/servers/server_state.json: which servers are switched on, by their path.
 */
export interface ServerStateFile {
  [k: string]: boolean;
}

/**
 * An https URL, in which {name} stands for a field of the token file or of `environment`
 */
export type Endpoint = string;

/**
 * registry/providers/NAME.json: an OAuth provider. NAME is the `provider` of token files.
 */
export interface ProviderFile {
  provider: string;
  display_name?: string;
  issuer?: Endpoint;
  authorization_endpoint?: Endpoint;
  token_endpoint: Endpoint;
  device_authorization_endpoint?: Endpoint;
  registration_endpoint?: Endpoint;
  grant_type?: 'refresh_token' | 'client_credentials' | 'password';
  token_endpoint_auth_method?: 'client_secret_basic' | 'client_secret_post' | 'none';
  scopes?: string[];
  parameters?: {
    authorize?: Texts;
    token?: Texts;
  };
  /**
   * Which environment names hold a field that the token file does not have.
   */
  environment?: {
    [k: string]: string | [string, ...string[]];
  };
  quirks?: {
    /**
     * Other names under which token files keep a field.
     */
    aliases?: {
      [k: string]: string[];
    };
    headers?: Texts1;
    /**
     * Error codes that mean a dead refresh token at this provider and something else elsewhere.
     */
    dead_codes?: string[];
    /**
     * What a maintainer should know, with its source.
     */
    notes?: string[];
    [k: string]: unknown;
  };
  [k: string]: unknown;
}
export interface Texts {
  [k: string]: string;
}
/**
 * Headers that this provider's API wants beside Authorization; {name} stands for a field of the token file.
 */
export interface Texts1 {
  [k: string]: string;
}

/**
 * registry/tokens/NAME.json: a token to acquire and keep in .oauth-tokens/NAME.json without anybody having put one there.
 */
export interface WantedTokenFile {
  /**
   * a name of letters, digits, "_", "-" and "." that can be a file's
   */
  name: string;
  provider: string;
  grant_type: 'client_credentials' | 'password';
  scope?: string;
  resource?: string;
  audience?: string;
  user_id?: string;
  [k: string]: unknown;
}

/**
 * .token-refresher/attempts/*.json: what is remembered of one token. Times are epoch seconds; nothing in it is secret.
 */
export interface HistoryFile {
  token: string;
  /**
   * where the token is kept, relative to the root
   */
  file?: string;
  /**
   * the keys that lead to it in its file
   */
  at?: string[];
  generation: number;
  pending: {
    spent: string;
    at: number;
    /**
     * the process that asks
     */
    owner?: string;
  } | null;
  lastAttempt: {
    at: number;
    outcome: 'success' | 'dead' | 'configuration' | 'transient' | 'lost' | 'local';
    code?: string;
  } | null;
  subject: string | null;
  verdict: {
    kind: 'dead' | 'configuration' | 'transient' | 'lost' | 'local' | 'braked';
    code: string;
    detail: string;
    count: number;
    retryAt: number | null;
    lost: number;
  } | null;
  succeededAt: number | null;
  lifetime: number | null;
  /**
   * when the refresh token ends
   */
  refreshEndsAt?: number | null;
  uncalled: number[];
  /**
   * hash of the tokens in the environment that were last taken over, or tried
   */
  imported?: string | null;
  /**
   * hashes of the tokens that were taken in from the disk of one of several machines
   */
  taken?: string[];
  hostHeld: {
    host: string;
    until: number;
  } | null;
}

/**
 * .token-refresher/tokens/*.json: the last good token of one place, as the token endpoint's answer brought it. It holds secrets. Times are epoch seconds.
 */
export interface TokenBackupFile {
  token: string;
  /**
   * where the token is kept, relative to the root
   */
  file: string;
  /**
   * the keys that lead to it in its file
   */
  at: string[];
  grant: {
    access: string | null;
    refresh: string | null;
    /**
     * seconds
     */
    expiresIn: number | null;
    /**
     * seconds
     */
    refreshExpiresIn: number | null;
    tokenType: string | null;
    salvaged: boolean;
    /**
     * epoch seconds
     */
    expiresAt?: number | null;
    /**
     * epoch seconds
     */
    refreshExpiresAt?: number | null;
    /**
     * the other fields of the answer
     */
    others?: {
      [k: string]: string | number | boolean;
    };
  };
  obtainedAt: number;
  expiresAt: number | null;
  /**
   * hash of the refresh token that was spent for it
   */
  replaced: string | null;
  /**
   * whether the token's own file has got it
   */
  saved: boolean;
}

/**
 * What `status --json` prints. Times are epoch seconds.
 */
export interface StatusReport {
  instance: {
    /**
     * null where it cannot be told: reason says why
     */
    running: boolean | null;
    reason?: string;
    pid: number | null;
    since: number | null;
  };
  tokens: {
    name: string;
    file: string;
    provider: string | null;
    /**
     * The server it is rendered for.
     */
    server?: string;
    state: 'valid' | 'unknown' | 'due' | 'failing' | 'needs_login' | 'needs_configuration' | 'expired';
    expires_at: number | null;
    next_refresh_at: number | null;
    /**
     * Why it will be refreshed then, or not at all.
     */
    reason: string;
    last_attempt?: {
      at: number;
      outcome: 'success' | 'dead' | 'configuration' | 'transient' | 'lost' | 'local';
      code?: string;
    };
    /**
     * What a refresh lacks: field and environment names.
     */
    missing: string[];
    /**
     * What to do.
     */
    action?: string;
  }[];
  servers: {
    key: string;
    file: string;
    included: boolean;
    reason?: string;
  }[];
  /**
   * Token files that hold what another one holds, or held. They are left alone.
   */
  copies?: {
    file: string;
    name: string;
    /**
     * The token that is kept fresh.
     */
    of: string;
  }[];
  problems: {
    file: string;
    pointer: string;
    message: string;
  }[];
}
