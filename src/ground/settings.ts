import type { ApiSettings } from './api-settings.js';
import type { Timing } from './plan.js';
import type { RedisSettings } from './redis-settings.js';
import type { Secret } from './secret.js';

/** Everything a run is told by flags, environment and defaults. */
export interface Settings {
  /** Absolute. */
  readonly root: string;
  /** Seconds between two cycles that nothing else calls for. */
  readonly interval: number;
  readonly timing: Timing;
  readonly delivery: Delivery;
  /** Outputs asked for by name; null for the default ones. */
  readonly outputs: readonly string[] | null;
  readonly registryUrl: string | null;
  /** Whether the registry URL came as a flag, so that commands written into outputs must repeat it. */
  readonly registryUrlFromFlag: boolean;
  /** How clients call this program, in words; null for the way it was called itself. */
  readonly clientCommand: readonly string[] | null;
  readonly allowHttp: boolean;
  /** Commands to run at an event, in words; null for none. */
  readonly hooks: { readonly change: readonly string[] | null; readonly 'login-needed': readonly string[] | null };
  /** Null when no API is asked for. */
  readonly api: ApiSettings | null;
  /** Null when no Redis is named. */
  readonly redis: RedisSettings | null;
  /** Keys that the tokens of several machines are encrypted with; null where each machine has its own tokens. */
  readonly sharedKeys: readonly Secret[] | null;
  /** Globs of token files outside .oauth-tokens. */
  readonly tokenFiles: readonly string[];
}

export type Delivery = 'live' | 'http' | 'env';

export const DEFAULT_OUTPUTS = ['mcp.json', 'vscode_mcp.json', 'roo_mcp.json'] as const;
