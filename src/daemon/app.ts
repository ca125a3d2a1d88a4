import type { CommandEntry } from '../ground/entry.js';
import type { SelfCommand } from '../ground/rendering.js';
import type { Settings } from '../ground/settings.js';
import type { Token } from '../ground/token.js';
import type { Clock } from '../ports/clock.js';
import type { Documents } from '../ports/documents.js';
import type { Hooks } from '../ports/hooks.js';
import type { Instance } from '../ports/instance.js';
import type { Links } from '../ports/links.js';
import type { Log } from '../ports/log.js';
import type { McpTransports } from '../ports/mcp.js';
import type { Prompt, ReadInput, Trial } from '../ports/prompt.js';
import type { Publication } from '../ports/publication.js';
import type { Supervisor } from '../ports/supervisor.js';
import type { Imports } from '../work/imports.js';
import type { InFlight } from '../work/in-flight.js';
import type { Keep } from '../work/keep.js';
import type { Loader, World } from '../work/load.js';
import type { Login } from '../work/login/request.js';
import type { Logout } from '../work/logout.js';
import type { Publisher } from '../work/publish.js';
import type { Refresher } from '../work/refresher.js';
import type { Surveyed } from '../work/survey.js';
import type { Cycle, LoopParts } from './loop.js';
import type { Tally } from './tally.js';

/** The API while it listens. */
export interface Served {
  readonly where: string;
  cycle(cycle: Cycle): void;
  /** Ends it, after the requests under way. */
  close(): Promise<void>;
}

/** The program, put together: what every face is given. */
export interface App {
  readonly settings: Settings;
  /** How other programs call this one. */
  readonly self: SelfCommand;
  readonly clock: Clock;
  readonly log: Log;
  readonly instance: Instance;
  readonly loader: Loader;
  readonly documents: Documents;
  readonly publisher: Publisher;
  readonly refresher: Refresher;
  /** What must be finished before the process may end. */
  readonly inFlight: InFlight;
  readonly loop: LoopParts;
  /** One look at everything. */
  look(): { readonly world: World; readonly surveyed: readonly Surveyed[] };
  /** One look at a single token that was found in this world; null when it is gone, or cannot be read now. */
  lookAt(token: Token, world: World): Promise<Surveyed | null>;
  /** Puts tokens in their place that a person or a login brings. */
  readonly keep: Keep;
  /** Takes a token away for good. */
  readonly logout: Logout;
  /** What logs a person in; loaded only for that. */
  login(): Promise<Login>;
  /** The person at the terminal; null when there is none. */
  prompt(): Promise<Prompt | null>;
  readInput(): Promise<ReadInput>;
  /** What tries a token at its server. */
  trial(): Promise<Trial>;
  /** How often what became of which token. */
  tally: Tally['counts'];
  /** Starts the API that the settings ask for; null when they ask for none. Rejects (Error) when it cannot. */
  serve(version: string, redis: () => boolean | null): Promise<Served | null>;
  /** Where tokens are published; null where no Redis is named. */
  publication(): Promise<Publication | null>;
  /** Moves the environment's tokens into the store. */
  readonly imports: Imports;
  /** Tells the hooks of a cycle. */
  readonly notify: (cycle: Cycle) => void;
  readonly hooks: Hooks;
  readonly supervisor: Supervisor;
  readonly links: Links;
  /** What a bridge is made of; loaded only for one. */
  transports(): Promise<McpTransports>;
  /** Runs a stdio server in this program's place and gives its exit code. */
  passThrough(entry: CommandEntry, signal: AbortSignal): Promise<number>;
  /** Changes whenever the file may have changed; empty when it is not there. */
  signature(file: string): string;
  /** Removes what writers that died have left. */
  sweep(): void;
  close(): Promise<void>;
}
