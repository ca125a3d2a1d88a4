import { duration } from '../ground/duration.js';
import type { Listing } from '../ground/entry.js';
import { type Problem, problemLine } from '../ground/problem.js';
import { isEgressFile, labelOf, type Token } from '../ground/token.js';
import type { Clock } from '../ports/clock.js';
import type { Log } from '../ports/log.js';
import { type Copy, copyReason } from '../work/copies.js';
import type { World } from '../work/load.js';
import type { Surveyed } from '../work/survey.js';
import type { Cycle } from './loop.js';

/**
 * Tells the log what a cycle found: everything once, after that only what has changed. A cycle in which nothing
 * has changed is one line; one that a change nobody cares about called for is none.
 */
export function createReport(log: Log, clock: Clock, interval: number): (cycle: Cycle) => void {
  const troubles = createTroubleReport(log);
  let lastWorld: World | null = null;
  const lastTold = new Map<string, string>();
  const lastCopies = new Map<string, string>();

  const tellToken = ({ token, plan, expiresAt }: Surveyed, now: number): void => {
    const told = [plan.state, plan.refresh, expiresAt, plan.blocked].join();
    if (lastTold.get(token.name) === told) return;
    lastTold.set(token.name, told);
    const about = { token: token.name, file: token.file };
    const life = lifeText(token, expiresAt, now);
    if (plan.refresh) return; // the refresh tells of itself
    if (plan.blocked) log.warning('CHECK', `${labelOf(token)}: ${life}; cannot be refreshed: ${plan.reason}`, about);
    else if (plan.state === 'valid') log.info('CHECK', `${labelOf(token)}: ${life}, no refresh needed`, about);
    else log.info('CHECK', `${labelOf(token)}: ${life}, ${plan.reason}`, about);
  };

  const tellCopy = (copy: Copy): void => {
    const { file } = copy.token;
    if (lastCopies.get(file) !== copy.of.name) log.info('SCAN', copyReason(copy), { file });
    lastCopies.set(file, copy.of.name);
  };

  return ({ world, surveyed, published, cause, took }) => {
    const { outputs, joined } = published;
    const changed = world !== lastWorld;
    const refreshing = surveyed.filter(({ plan }) => plan.refresh).length;
    const written = outputs.filter(({ status }) => status === 'written');
    const now = clock.now();
    if (changed) log.info('SCAN', foundTokens(world.tokens));
    for (const one of surveyed) tellToken(one, now);
    for (const copy of world.copies) tellCopy(copy);
    if (changed) {
      const open = world.servers.filter(({ auth }) => auth === 'none').map(({ key }) => key);
      if (open.length > 0) log.info('SCAN', `found ${open.length} no-auth services: ${open.sort().join(', ')}`);
    }
    troubles([...world.problems, ...published.problems], joined.listings, joined.warnings);
    for (const { path, servers } of written) {
      log.info(
        'CONFIG',
        `generated ${path.slice(path.lastIndexOf('/') + 1)} with ${servers} server${servers === 1 ? '' : 's'}`,
        { file: path },
      );
    }
    if (!changed && cause === 'change' && written.length === 0 && refreshing === 0) return;
    lastWorld = world;
    const entries = joined.listings.filter(({ entry }) => entry !== null).length;
    log.info(
      'CHECK',
      `cycle completed in ${Math.round(took * 1000)} ms: ${surveyed.length} tokens, ${entries} servers, ` +
        `${written.length} files written; next look in ${duration(interval)} at the latest`,
    );
  };
}

function foundTokens(tokens: readonly Token[]): string {
  const egress = new Set(tokens.map(({ file }) => file).filter(isEgressFile)).size;
  const others = tokens.filter(({ file }) => !isEgressFile(file)).length;
  const more = others === 0 ? '' : `, and ${others} other token${others === 1 ? '' : 's'}`;
  return `found ${egress} egress token file${egress === 1 ? '' : 's'} to check${more}`;
}

function lifeText({ expiry }: Token, expiresAt: number | null, now: number): string {
  if (expiry.at === null || expiresAt === null) return 'nothing tells when it expires';
  return expiresAt > now ? `expires in ${duration(expiresAt - now)}` : `expired ${duration(now - expiresAt)} ago`;
}

/** A number that is no part of a name. */
const COUNT = /(?<![\w./-])\d+(?![\w/-]|\.\w)/g;

/** Each problem is told when it appears, and when it is gone; not in between. */
function createTroubleReport(
  log: Log,
): (
  problems: readonly Problem[],
  listings: readonly Listing[],
  warnings: readonly { readonly file: string; readonly message: string }[],
) => void {
  let before = new Map<string, string>();
  return (problems, listings, warnings) => {
    const now = new Map<string, string>();
    const tell = (level: 'warning' | 'error', kind: 'SCAN' | 'CONFIG', line: string, file: string, at = ''): void => {
      // Positions and counts move with every edit elsewhere; the trouble is the same. Names have digits, too.
      const trouble = JSON.stringify([file, at, line.slice(file.length).replace(COUNT, '#')]);
      now.set(trouble, file);
      if (!before.has(trouble)) log[level](kind, line, { file });
    };
    for (const one of problems) tell(one.severity, 'SCAN', problemLine(one), one.file, one.pointer);
    for (const { file, message } of warnings) tell('warning', 'CONFIG', `${file}: ${message}`, file);
    for (const { file, key, reason, wanted } of listings) {
      if (reason !== null && wanted) {
        tell('warning', 'CONFIG', `${file}: server ${key} is left out: ${reason}`, file, key);
      }
    }
    const files = new Set(now.values());
    const mended = new Set([...before.values()].filter((file) => !files.has(file)));
    for (const file of mended) log.info('SCAN', `${file}: is in order again`, { file });
    before = now;
  };
}
