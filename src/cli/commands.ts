import type { Run } from './command.js';
import {
  API_FLAGS,
  CYCLE_FLAGS,
  type Flag,
  FORCE_FLAG,
  JSON_FLAG,
  LINK_FLAGS,
  LOG_FLAGS,
  LOGIN_FLAGS,
  ROOT_FLAGS,
  RUN_FLAGS,
  SETUP_FLAGS,
  WATCH_FLAG,
  YES_FLAG,
} from './flags.js';

export interface Command {
  /** Its name and its words, as yargs writes them. */
  readonly usage: string;
  readonly describe: string;
  readonly flags: readonly Flag[];
  readonly example: readonly [call: string, does: string];
  /** Whether its messages go to the log file as well. */
  readonly logs: boolean;
  /** Whether it speaks of what the running instance does, and so takes over that one's flags. */
  readonly asRunning: boolean;
  /** Whether it goes on until it is told to end. */
  readonly lasts: boolean;
  /** Loaded when called: a command pays only for what it uses. */
  readonly load: () => Promise<Run>;
}

const LOOK: readonly Flag[] = [...ROOT_FLAGS, ...CYCLE_FLAGS];

/** Every command; the first is the one that runs when none is named. */
export const COMMANDS: readonly Command[] = [
  {
    usage: 'run',
    describe: 'Keep tokens fresh and configs rendered, in the foreground',
    flags: [...ROOT_FLAGS, ...RUN_FLAGS, ...CYCLE_FLAGS, ...LOG_FLAGS, ...API_FLAGS],
    example: ['$0 --registry-url https://gateway.example.com', 'run for the project in this folder'],
    logs: true,
    asRunning: false,
    lasts: true,
    load: async () => (await import('./run.js')).run,
  },
  {
    usage: 'render',
    describe: 'Render the configs from what is on disk; no network',
    flags: [...LOOK, JSON_FLAG],
    example: ['$0 render --outputs codex_mcp.toml', "write Codex's config only"],
    logs: false,
    asRunning: true,
    lasts: false,
    load: async () => (await import('./render.js')).render,
  },
  {
    usage: 'validate',
    describe: 'Check every input, template and output',
    flags: [...LOOK, JSON_FLAG],
    example: ['$0 validate', 'one line for each problem'],
    logs: false,
    asRunning: true,
    lasts: false,
    load: async () => (await import('./validate.js')).validate,
  },
  {
    usage: 'status',
    describe: 'Show every token: when it expires, when it is refreshed, what to do',
    flags: [...LOOK, WATCH_FLAG, JSON_FLAG],
    example: ['$0 status --json', 'the same for programs'],
    logs: false,
    asRunning: true,
    lasts: true,
    load: async () => (await import('./status.js')).status,
  },
  {
    usage: 'health',
    describe: 'One line and an exit code, as a monitoring plugin',
    flags: [...LOOK, JSON_FLAG],
    example: ['$0 health', 'OK, WARNING or CRITICAL'],
    logs: false,
    asRunning: true,
    lasts: false,
    load: async () => (await import('./health.js')).health,
  },
  {
    usage: 'refresh [name..]',
    describe: 'Refresh the tokens named now, or all that are due',
    flags: [...LOOK, ...LOG_FLAGS, FORCE_FLAG, JSON_FLAG],
    example: ['$0 refresh atlassian-atlassian', 'refresh one token'],
    logs: true,
    asRunning: true,
    lasts: false,
    load: async () => (await import('./refresh.js')).refresh,
  },
  {
    usage: 'token <name>',
    describe: 'Print a valid access token, refreshed first if it is due',
    flags: [...LOOK, ...LOG_FLAGS],
    example: ['curl -H "Authorization: Bearer $($0 token readonly)" ...', 'use it in a script'],
    logs: true,
    asRunning: true,
    lasts: false,
    load: async () => (await import('./token.js')).token,
  },
  {
    usage: 'headers <server>',
    describe: 'Print the headers of a server as JSON, its token fresh',
    flags: [...LOOK, ...LOG_FLAGS],
    example: ['$0 headers atlassian', '{"Authorization": "Bearer ..."}'],
    logs: true,
    asRunning: true,
    lasts: false,
    load: async () => (await import('./headers.js')).headers,
  },
  {
    usage: 'bridge <server>',
    describe: 'Be an MCP server on stdio that forwards to this one with a fresh token',
    flags: [...LOOK, ...LOG_FLAGS],
    example: ['claude mcp add atlassian -- $0 bridge atlassian', 'what delivery live writes into configs'],
    logs: true,
    asRunning: true,
    lasts: true,
    load: async () => (await import('./bridge.js')).bridge,
  },
  {
    usage: 'link [client..]',
    describe: 'Make the file that a client looks for a link to its output',
    flags: [...LOOK, ...LINK_FLAGS, JSON_FLAG],
    example: ['$0 link claude vscode --project ~/code/app', 'link .mcp.json and .vscode/mcp.json there'],
    logs: false,
    asRunning: true,
    lasts: false,
    load: async () => (await import('./link.js')).link,
  },
  {
    usage: 'login <name>',
    describe: 'Log in to a server or provider, in a browser or with a code, and keep the token',
    flags: [...LOOK, ...LOG_FLAGS, ...LOGIN_FLAGS, JSON_FLAG],
    example: ['$0 login atlassian', 'for the server of that key'],
    logs: true,
    asRunning: true,
    lasts: true,
    load: async () => (await import('./login.js')).login,
  },
  {
    usage: 'logout <name>',
    describe: 'Take a token away for good, and what is remembered of it; revokes nothing at its provider',
    flags: [...LOOK, ...LOG_FLAGS, YES_FLAG, JSON_FLAG],
    example: ['$0 logout atlassian', 'of the server of that key, or of that name'],
    logs: true,
    asRunning: true,
    lasts: false,
    load: async () => (await import('./logout.js')).logout,
  },
  {
    usage: 'setup',
    describe: 'Take tokens that you have already: asks for each, hidden, or reads one as JSON',
    flags: [...LOOK, ...LOG_FLAGS, ...SETUP_FLAGS, JSON_FLAG],
    example: ['$0 setup --name readonly --json < tokens.json', 'without a terminal'],
    logs: true,
    asRunning: true,
    lasts: false,
    load: async () => (await import('./setup.js')).setup,
  },
  {
    usage: 'import-env',
    describe: "Move the tokens that the environment has into their provider's store",
    flags: [...LOOK, ...LOG_FLAGS, JSON_FLAG],
    example: ['KROGER_USER_REFRESH_TOKEN=... $0 import-env', 'what the daemon does at its start, too'],
    logs: true,
    asRunning: true,
    lasts: false,
    load: async () => (await import('./import-env.js')).importEnv,
  },
  {
    usage: 'systemd-unit',
    describe: 'Print a systemd unit that runs the daemon for this root',
    flags: [
      ...ROOT_FLAGS,
      { name: 'user', type: 'boolean', describe: "For a person's own systemd, not the machine's" },
    ],
    example: ['$0 systemd-unit | sudo tee /etc/systemd/system/token-refresher.service', 'install it'],
    logs: false,
    asRunning: false,
    lasts: false,
    load: async () => (await import('./systemd-unit.js')).systemdUnitFor,
  },
  {
    usage: 'stop',
    describe: 'End the running instance, after what it has in flight',
    flags: [...ROOT_FLAGS],
    example: ['$0 stop', 'end the instance of this folder'],
    logs: false,
    asRunning: false,
    lasts: false,
    load: async () => (await import('./stop.js')).stop,
  },
];

export function nameOf({ usage }: Command): string {
  return usage.split(' ')[0] ?? usage;
}
