import type { App } from '../daemon/app.js';
import { type Status, statusOf } from '../daemon/status.js';

/** The state of everything, from what is on disk: also right when no daemon runs. */
export function snapshot(app: App, presence = app.instance.running()): Status {
  const { world, surveyed } = app.look();
  const { listings } = app.publisher.join(world);
  const { problems } = app.publisher.preview(world, (secret) => secret.reveal());
  return statusOf(presence, world, surveyed, listings, problems);
}
