import type { Settings } from '../ground/settings.js';
import type { Clock } from '../ports/clock.js';
import type { Documents } from '../ports/documents.js';
import type { Instance } from '../ports/instance.js';
import type { Log } from '../ports/log.js';
import type { Loader, World } from '../work/load.js';
import type { Publisher } from '../work/publish.js';
import type { Refresher } from '../work/refresher.js';
import type { Surveyed } from '../work/survey.js';
import type { LoopParts } from './loop.js';

/** The program, put together: what every face is given. */
export interface App {
  readonly settings: Settings;
  readonly clock: Clock;
  readonly log: Log;
  readonly instance: Instance;
  readonly loader: Loader;
  readonly documents: Documents;
  readonly publisher: Publisher;
  readonly refresher: Refresher;
  readonly loop: LoopParts;
  /** One look at everything. */
  look(): { readonly world: World; readonly surveyed: readonly Surveyed[] };
  /** Removes what writers that died have left. */
  sweep(): void;
  close(): Promise<void>;
}
