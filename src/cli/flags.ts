/** Every flag, as yargs is told of it; values stay text until options.ts reads them. */
export interface Flag {
  readonly name: string;
  readonly type: 'string' | 'boolean' | 'array';
  readonly describe: string;
  /** It may be given without a value. */
  readonly bare?: true;
}

export const ROOT_FLAGS: readonly Flag[] = [
  { name: 'root', type: 'string', describe: 'Project root [TOKEN_REFRESHER_ROOT; the working directory]' },
];

/** What decides about tokens and outputs. */
export const CYCLE_FLAGS: readonly Flag[] = [
  { name: 'buffer', type: 'string', describe: 'Refresh this many seconds before expiry [TOKEN_EXPIRY_BUFFER; 3600]' },
  {
    name: 'refresh-floor',
    type: 'string',
    describe: 'Never the same token twice within, seconds [TOKEN_REFRESH_FLOOR; 30]',
  },
  { name: 'registry-url', type: 'string', describe: 'The gateway that servers are reached through [REGISTRY_URL]' },
  { name: 'delivery', type: 'string', describe: 'live, http or env [TOKEN_DELIVERY; live]' },
  { name: 'outputs', type: 'string', describe: 'NAME,... [TOKEN_OUTPUTS; mcp.json,vscode_mcp.json,roo_mcp.json]' },
  { name: 'client-command', type: 'string', describe: 'CMD by which clients call this program [CLIENT_COMMAND]' },
  { name: 'token-files', type: 'array', describe: 'GLOB of more token files, repeatable [TOKEN_FILES]' },
  { name: 'redis-shared', type: 'boolean', describe: 'Share tokens with other machines, in Redis [REDIS_SHARED]' },
  { name: 'allow-http', type: 'boolean', describe: 'Send secrets to token endpoints without TLS' },
];

export const LOG_FLAGS: readonly Flag[] = [
  { name: 'log-level', type: 'string', describe: 'DEBUG, INFO, WARNING or ERROR [LOG_LEVEL; INFO]' },
  { name: 'log-format', type: 'string', describe: 'text or json [LOG_FORMAT; text]' },
  { name: 'log-file', type: 'string', describe: 'PATH, or - for standard error [LOG_FILE; token_refresher.log]' },
  { name: 'log-max-size', type: 'string', describe: 'Rotate at this size, bytes or with k or M [10M]' },
  { name: 'log-max-files', type: 'string', describe: 'Keep this many files [5]' },
];

export const RUN_FLAGS: readonly Flag[] = [
  { name: 'interval', type: 'string', describe: 'Look at least every so many seconds [TOKEN_REFRESH_INTERVAL; 300]' },
  { name: 'once', type: 'boolean', describe: 'Run one cycle and exit' },
  { name: 'force', type: 'boolean', describe: 'Refresh every refreshable token in the first cycle' },
  { name: 'dry-run', type: 'boolean', describe: 'Say what would be done; touch nothing, call nobody' },
  { name: 'replace', type: 'boolean', describe: 'Take over from a running instance' },
  { name: 'on-change', type: 'string', describe: 'CMD to run after an output has changed; no shell [ON_CHANGE]' },
  { name: 'on-login-needed', type: 'string', describe: 'CMD to run when a token needs a login [ON_LOGIN_NEEDED]' },
];

/** Given bare, `--api` means the default address. */
export const API_FLAGS: readonly Flag[] = [
  {
    name: 'api',
    type: 'string',
    bare: true,
    describe: 'Serve tokens at HOST:PORT or unix:PATH [TOKEN_API; 127.0.0.1:7071]',
  },
  { name: 'api-host', type: 'array', describe: 'NAME that the API is reached by as well, repeatable' },
  { name: 'api-open', type: 'boolean', describe: 'Ask for no key; for this machine alone' },
  { name: 'api-public', type: 'boolean', describe: 'Allow an address that other machines can reach' },
];

export const LINK_FLAGS: readonly Flag[] = [
  { name: 'project', type: 'string', describe: 'DIR that the client is opened in [the working directory]' },
  { name: 'list', type: 'boolean', describe: 'Show the clients, where their files are, and whether they are linked' },
];

export const SETUP_FLAGS: readonly Flag[] = [
  { name: 'name', type: 'array', describe: "NAME of a mode or a token, or a server's key, repeatable [all of them]" },
];

export const LOGIN_FLAGS: readonly Flag[] = [
  { name: 'device', type: 'boolean', describe: 'With a code that is typed in on another device' },
  { name: 'browser', type: 'boolean', describe: 'Open a browser; --no-browser only prints the address [yes]' },
  { name: 'scope', type: 'string', describe: '"SCOPE ..." to ask for, in place of what server and definition want' },
  { name: 'redirect-uri', type: 'string', describe: 'URL that the client is registered with [a free port, /callback]' },
];

export const FORCE_FLAG: Flag = { name: 'force', type: 'boolean', describe: 'Also those that are parked or not due' };
export const YES_FLAG: Flag = { name: 'yes', type: 'boolean', describe: 'Do not ask first' };
export const JSON_FLAG: Flag = { name: 'json', type: 'boolean', describe: 'Print JSON, for programs' };
export const WATCH_FLAG: Flag = { name: 'watch', type: 'boolean', describe: 'Go on showing it as it changes' };
