import type { Served } from '../daemon/app.js';
import { type Cycle, runLoop } from '../daemon/loop.js';
import { runOnce } from '../daemon/once.js';
import { publishedTokens } from '../daemon/publish-tokens.js';
import { DEFAULT_NAMESPACE } from '../ground/board.js';
import { problemLine } from '../ground/problem.js';
import { isRecipe } from '../ground/recipe.js';
import type { Settings } from '../ground/settings.js';
import type { Presence } from '../ports/instance.js';
import type { Publication } from '../ports/publication.js';
import type { Context } from './command.js';
import { rememberServers } from './definitions.js';
import { dryRun } from './dry-run.js';
import { guardInstance } from './guard-instance.js';
import { noteCycle } from './last-cycle.js';
import { forgetFlags, rememberFlags } from './running-flags.js';

/** A request under way ends within this; seconds. */
const STOP_PATIENCE = 90;
/** `--once` waits for the retry of a lost answer, which comes after 2 s, and for no later one. */
const ONCE_PATIENCE = 2.5;

/** A hook that still runs when the daemon is ended gets so long, in seconds; `--once` waits for it to its end. */
const HOOK_PATIENCE = 5;
const HOOK_TIMEOUT = 60;
/** `--once` waits so long for Redis. */
const PUBLISH_PATIENCE = 5;

export async function run(context: Context): Promise<number> {
  const { app, flags, signal, terminal } = context;
  if (flags['dry-run'] === true) return dryRun(context);
  const { instance, log, loop, settings } = app;
  if (flags.replace === true) {
    const stopped = await instance.stop(STOP_PATIENCE);
    if (stopped.outcome === 'failed') {
      terminal.complain(stopped.reason);
      return 1;
    }
  }
  const claim = await instance.claim(signal, ({ pid }) => {
    terminal.complain(
      `PID ${pid} of another machine or container holds the lock here; waiting until it shows no sign of life for 40 s`,
    );
  });
  if (!claim) {
    if (signal.aborted) return 0;
    terminal.complain(alreadyRunning(instance.running()));
    return 3;
  }
  const lost = new AbortController();
  const ending = AbortSignal.any([signal, lost.signal]);
  const guard =
    flags.once === true
      ? null
      : guardInstance(claim, log, {
          regained() {
            rememberFlags(settings.root, flags);
            loop.alarm.ring('change');
          },
          taken() {
            app.inFlight.stop();
            lost.abort();
          },
        });
  let served: Served | null = null;
  let publication: Publication | null = null;
  let heard: Promise<void> | null = null;
  const stopping = (): void => {
    heard ??= app.supervisor.stopping();
  };
  try {
    app.sweep();
    log.info(
      'START',
      `token-refresher started for ${settings.root}, PID ${process.pid}, delivery ${settings.delivery}`,
    );
    if (flags.once === true) {
      return await once(context);
    }
    publication = await app.publication();
    served = await app.serve(context.version, () => publication?.connected ?? null);
    if (served) log.info('API', `listening at ${served.where}`);
    rememberFlags(settings.root, flags);
    // At once, not after what is in flight.
    ending.addEventListener('abort', stopping, { once: true });
    const report = (cycle: Cycle): void => {
      loop.report(cycle);
      app.notify(cycle);
      app.supervisor.ran(statusLine(cycle, app.clock.now()));
      noteCycle(settings.root, cycle);
      served?.cycle(cycle);
      publication?.publish(publishedTokens(cycle.surveyed, namespaceOf(settings), app.clock.now()));
      if (cycle.cause === 'start') rememberServers(settings.root, context.build, app.loader.serverMemory());
    };
    const mayWrite = guard ? guard.confirm : loop.mayWrite;
    await runLoop({ ...loop, report, mayWrite }, ending, flags.force === true);
    return lost.signal.aborted ? 3 : 0;
  } finally {
    if (flags.once !== true) stopping();
    await served?.close();
    publication?.close();
    await app.hooks.settled(HOOK_PATIENCE);
    await app.close();
    guard?.stop();
    if (flags.once !== true && !lost.signal.aborted) forgetFlags(settings.root);
    await claim.release();
    // Whoever tells systemd is a process of the unit, and would be killed with it.
    await heard;
    log.info('STOP', 'stopped');
  }
}

function alreadyRunning(presence: Presence): string {
  const pid = presence.state === 'running' ? ` (PID ${presence.pid})` : '';
  const remedy =
    presence.state === 'running' && !presence.here
      ? 'it is of another machine or container; stop it there'
      : '--replace takes over from it, "token-refresher stop" ends it';
  return `another instance is running here${pid}; ${remedy}`;
}

async function once({ app, flags, terminal, build }: Context): Promise<number> {
  const cycle = await runOnce(app.loop, flags.force === true, ONCE_PATIENCE);
  const { world, surveyed, published } = cycle;
  const publication = await app.publication();
  publication?.publish(publishedTokens(surveyed, namespaceOf(app.settings), app.clock.now()));
  await publication?.settled(PUBLISH_PATIENCE);
  publication?.close();
  app.notify(cycle);
  await app.hooks.settled(HOOK_TIMEOUT);
  if (app.loader.hasNews) rememberServers(app.settings.root, build, app.loader.serverMemory());
  const failed = [
    ...[...world.problems, ...published.problems].filter(({ severity }) => severity === 'error').map(problemLine),
    ...surveyed
      .filter(({ plan }) => !['valid', 'unknown'].includes(plan.state))
      .map(({ token, plan }) => `${token.file}: ${token.name}: ${plan.state.replaceAll('_', ' ')}: ${plan.reason}`),
  ];
  for (const line of failed) terminal.complain(line);
  return failed.length > 0 ? 1 : 0;
}

function namespaceOf({ redis }: Settings): string {
  return redis?.namespace ?? DEFAULT_NAMESPACE;
}

/** What the daemon is at, in a line. */
function statusLine({ surveyed, published }: Cycle, now: number): string {
  const needs = surveyed.filter(({ plan }) => ['needs_login', 'needs_configuration', 'failing'].includes(plan.state));
  const entries = published.joined.listings.filter(({ entry }) => entry !== null).length;
  const next = Math.min(...surveyed.flatMap(({ plan, recipe }) => (isRecipe(recipe) && plan.at ? [plan.at] : [])));
  const trouble = needs.length === 0 ? '' : `; look at: ${needs.map(({ token }) => token.name).join(', ')}`;
  const then = Number.isFinite(next) ? `; next refresh at ${new Date(Math.max(next, now) * 1000).toISOString()}` : '';
  return `${surveyed.length} tokens, ${entries} servers${then}${trouble}`;
}
