// Speed, measured on whole processes and as ratios to `node -e 0` in the same run. Nothing is asserted: the figures
// are for people, beside the limits they are to be read against.
import { benchApi } from './api.mjs';
import { benchCycles } from './cycles.mjs';
import { benchDelivery } from './delivery.mjs';
import { report } from './measure.mjs';
import { benchRefreshes } from './refreshes.mjs';

await benchDelivery();
await benchRefreshes();
await benchCycles();
await benchApi();
report();
