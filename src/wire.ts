import { realpathSync } from 'node:fs';
import { relative, resolve } from 'node:path';
import { systemClock } from './adapters/clock.js';
import { sha256 } from './adapters/digest.js';
import { jsonDocuments } from './adapters/documents.js';
import { diskFiles, lastingFiles } from './adapters/files/disk-files.js';
import type { InPlace } from './adapters/files/replace.js';
import { historyFiles } from './adapters/history-files.js';
import { commandHooks } from './adapters/hooks.js';
import { diskLinks } from './adapters/links.js';
import { diskLocks } from './adapters/locks/disk-locks.js';
import { lockedInstance } from './adapters/locks/instance.js';
import { systemProcesses } from './adapters/locks/processes.js';
import { registrationFiles } from './adapters/registrations.js';
import { spentTokens } from './adapters/spent-tokens.js';
import { systemdSupervisor } from './adapters/systemd.js';
import { handlebarsTemplates } from './adapters/templates.js';
import { rescueFolders, tokenBackups } from './adapters/token-backups.js';
import { tokenFiles } from './adapters/token-files.js';
import { readToml } from './adapters/toml.js';
import { createAlarm } from './daemon/alarm.js';
import type { App } from './daemon/app.js';
import { createNotifier } from './daemon/notify.js';
import { createReport } from './daemon/report.js';
import { createTally } from './daemon/tally.js';
import { rootFolder } from './disk/root-folder.js';
import { DEFAULT_NAMESPACE } from './ground/board.js';
import type { Problem } from './ground/problem.js';
import type { Environment } from './ground/provider.js';
import type { SelfCommand } from './ground/rendering.js';
import type { Server } from './ground/server.js';
import type { Settings } from './ground/settings.js';
import type { Clock } from './ports/clock.js';
import type { Documents } from './ports/documents.js';
import type { TokenEndpoint } from './ports/endpoint.js';
import { FileError, type Files } from './ports/files.js';
import type { Log } from './ports/log.js';
import type { Watcher } from './ports/watcher.js';
import type { Share } from './share.js';
import { createExposures } from './work/exposures.js';
import { createForeignTokens } from './work/foreign-tokens.js';
import { createHosts } from './work/hosts.js';
import { createImports, createIntake } from './work/imports.js';
import { createInFlight, type InFlight } from './work/in-flight.js';
import { createKeep } from './work/keep.js';
import { createLoader, listTokenFiles, stillRenderable } from './work/load.js';
import { createLogout } from './work/logout.js';
import { createPublisher } from './work/publish.js';
import { createRefresh, type Step } from './work/refresh.js';
import { createRefresher } from './work/refresher.js';
import { createRender } from './work/render.js';
import type { Memory } from './work/shelf.js';
import { hashOf } from './work/spent.js';
import { createSurveyor } from './work/survey.js';
import { createTakeIn } from './work/take-in.js';
import { createPathList } from './work/watched-paths.js';

/** What the program stands on; tests pass their own. */
export interface Foundations {
  readonly settings: Settings;
  /** Where the package's own providers, templates and schemas are. */
  readonly packageRoot: string;
  readonly environment: { read(): Environment; problems(): readonly Problem[] };
  readonly self: SelfCommand;
  readonly log: Log;
  /** Where the log is written, by whichever command, and how many files it has at the most. */
  readonly logFile?: { readonly path: string; readonly files: number };
  /** The definitions as another process of this very build has read them. */
  readonly servers?: Memory<Server>;
  /** Only the daemon watches. */
  readonly watch?: (changed: () => void) => Watcher;
  /** Whether anything may be changed, here or in what is shared; it may where nothing is said. */
  readonly mayWrite?: boolean;
  readonly clock?: Clock;
  readonly endpoint?: TokenEndpoint;
  readonly reached?: (step: Step) => void;
}

/** Puts the program together. The only place where adapters are made. */
export async function wire(on: Foundations): Promise<App> {
  const { settings, log } = on;
  const { root } = settings;
  const clock = on.clock ?? systemClock;
  const writtenInPlace = new Set<string>();
  const folder = rootFolder(root);
  const tellInPlace = (path: string, why: InPlace): void => {
    if (writtenInPlace.has(path)) return;
    writtenInPlace.add(path);
    log.warning('CONFIG', `${path}: ${IN_PLACE[why]}`, { file: path });
  };
  const own = diskFiles(root, tellInPlace, folder);
  // In a checkout the package's files are the root's own, and may change.
  const packaged = samePlace(root, on.packageRoot) ? null : lastingFiles(diskFiles(on.packageRoot));
  const shipped = packaged ?? own;
  const documents = await jsonDocuments(own);
  const templates = handlebarsTemplates(own, shipped, packaged, settings.delivery);
  const shared = await connectShare(on, clock, own, documents);
  const locks = shared?.locks ?? diskLocks(root, clock, sha256, folder);
  // Where tokens are, and what is remembered of them: on this disk, or shared by several machines.
  const kept = shared?.documents ?? own;
  const backups = tokenBackups(
    kept,
    shared ? [] : rescueFolders(realpathSync(root), sha256, diskFiles, process.env),
    documents,
    sha256,
  );
  const spent = spentTokens(root, kept, own, () => backups.rescued);
  const store = tokenFiles(kept, documents, locks, (token) => {
    return token.refresh !== null && spent.load().find(hashOf(token.refresh, sha256), token) !== null;
  });
  const histories = historyFiles(kept, documents, sha256);
  const hosts = createHosts(log);
  const { timing, allowHttp } = settings;
  const survey = createSurveyor({ histories, backups, spentTokens: spent, digest: sha256, timing, allowHttp, hosts });
  const alarm = createAlarm(clock);
  const inFlight = createInFlight();
  const endpoint = untilStopped(on.endpoint ?? lazyEndpoint, inFlight);

  const outputs = (): ReadonlySet<string> =>
    new Set([...own.list(['templates/*/*.hbs']), ...shipped.list(['templates/*/*.hbs'])].map(outputName));
  const onDisk = { own, outputs, tokenFiles: settings.tokenFiles };
  const loader = createLoader({
    ...onDisk,
    shared: shared?.documents ?? null,
    shipped,
    documents,
    environment: on.environment.read,
    environmentProblems: on.environment.problems,
    spentTokens: spent,
    digest: sha256,
    allowHttp,
    exposures: createExposures({
      files: own,
      log: on.logFile ? { ...on.logFile, path: relative(root, on.logFile.path) } : null,
      outputsHoldTokens: settings.delivery !== 'live',
      outputs,
    }),
    ...(on.servers && { servers: on.servers }),
  });
  const takeIn =
    shared &&
    createTakeIn({
      disk: own,
      shared: shared.documents,
      list: () => listTokenFiles(onDisk),
      documents,
      locks,
      histories,
      digest: sha256,
      log,
    });
  shared?.documents.onChange(() => alarm.ring('change'));
  if (on.mayWrite !== false) await takeIn?.();
  const self = settings.clientCommand ?? on.self;
  const render = createRender({ documents, templates, parseToml: readToml, settings, self });
  const publisher = createPublisher({ files: own, templates, render, parseToml: readToml, self, settings });
  const refresh = createRefresh({
    store,
    histories,
    backups,
    spentTokens: spent,
    processes: systemProcesses,
    endpoint,
    locks,
    hosts,
    survey,
    clock,
    digest: sha256,
    log,
    reached: on.reached ?? (() => undefined),
  });
  const tally = createTally();
  const refresher = createRefresher(refresh, inFlight, hosts, clock, (token, result) => {
    tally.add(token.name, result);
    if (result instanceof Error) log.error('REFRESH', `${token.file}: ${result.message}`, { token: token.name });
    alarm.ring('change');
  });
  const keep = createKeep({ store, histories, backups, spentTokens: spent, digest: sha256, locks, clock });
  const followForeign = createForeignTokens({ backups, spentTokens: spent, digest: sha256, now: () => clock.now() });
  const registrations = registrationFiles(own, documents, sha256, clock);
  const imports = createImports({ keep, histories, digest: sha256, clock, log });
  const hooks = commandHooks(root, settings.hooks, log);
  const watched = createPathList(own, settings.tokenFiles);
  const watcher = on.watch?.(() => alarm.ring('change'));

  const app: App = {
    settings,
    self: on.self,
    clock,
    log,
    documents,
    loader,
    publisher,
    refresher,
    inFlight,
    instance: lockedInstance(root, clock, folder),
    loop: {
      loader,
      intake: createIntake(loader, imports, takeIn, followForeign),
      survey,
      refresher,
      publisher,
      hosts,
      alarm,
      clock,
      interval: settings.interval,
      mayWrite: async () => folder.isHere(),
      follow: (world) => watcher?.follow(watched(world).map((path) => resolve(root, path))),
      report: createReport(log, clock, settings.interval),
    },
    look() {
      const world = loader.load(clock.monotonic());
      return { world, surveyed: survey.all(world, clock.now(), 'schedule') };
    },
    async lookAt(token, world) {
      const there = await store.reread(token).catch(nullOfFile);
      return there && survey.one(stillRenderable(there, token), world, clock.now(), 'schedule');
    },
    keep,
    imports,
    prompt: async () => (await import('./adapters/terminal-prompt.js')).terminalPrompt(),
    readInput: async () => (await import('./adapters/terminal-prompt.js')).standardInput,
    trial: async () => (await import('./adapters/mcp/trial.js')).tryToken,
    logout: createLogout({
      store,
      ownStore: shared ? tokenFiles(own, documents, locks, () => false) : null,
      histories,
      backups,
      registrations,
      locks,
    }),
    async login() {
      const [{ createLogin }, { sdkDiscovery }, { loopbackServer }, { desktopBrowser }, { loginSecrets }] =
        await Promise.all([
          import('./work/login/login.js'),
          import('./adapters/mcp/discovery.js'),
          import('./adapters/loopback.js'),
          import('./adapters/browser.js'),
          import('./adapters/login-secrets.js'),
        ]);
      const ports = {
        discovery: sdkDiscovery(allowHttp),
        registrations,
        loopback: loopbackServer,
        browser: desktopBrowser,
        secrets: loginSecrets,
      };
      return createLogin({ ports, endpoint, keep, clock, inFlight });
    },
    notify: createNotifier(hooks, root),
    hooks,
    supervisor: systemdSupervisor(process.env),
    links: diskLinks,
    transports: async () => (await import('./adapters/mcp/transports.js')).sdkTransports(),
    passThrough: async (entry, signal) => (await import('./adapters/mcp/pass-through.js')).passThrough(entry, signal),
    signature: kept.signature,
    sweep() {
      own.sweep([
        '.',
        '.oauth-tokens',
        '.oauth-tokens/.spent',
        '.token-refresher',
        '.token-refresher/attempts',
        '.token-refresher/tokens',
        '.token-refresher/spent',
        ...listTokenFiles(onDisk).map(({ path }) => own.homeOf(path)),
      ]);
      void spent.forget(clock.now());
    },
    async close() {
      await watcher?.close();
      shared?.close();
    },
    tally: tally.counts,
    async serve(version, redis) {
      if (!settings.api) return null;
      const { serve } = await import('./serve.js');
      const namespace = settings.redis?.namespace ?? DEFAULT_NAMESPACE;
      return serve(settings.api, { app, files: own, version, namespace, redis });
    },
    async publication() {
      if (!settings.redis) return null;
      const [{ connectRedis }, { redisPublication }] = await Promise.all([
        import('./adapters/redis/link.js'),
        import('./adapters/redis/publication.js'),
      ]);
      const link = connectRedis(settings.redis);
      link.onTrouble((reason) => {
        if (reason === null) log.info('API', 'Redis is back');
        else log.warning('API', `Redis cannot be reached: ${reason}; what is missed is published when it is back`);
      });
      return redisPublication(link, settings.redis.namespace);
    },
  };
  return app;
}

async function connectShare(
  { settings, log, watch }: Foundations,
  clock: Clock,
  files: Files,
  formats: Documents,
): Promise<Share | null> {
  const { redis, sharedKeys } = settings;
  if (!redis || !sharedKeys) return null;
  const { share } = await import('./share.js');
  return share({ redis, keys: sharedKeys, clock, log, files, formats, lasting: watch !== undefined });
}

/** What is said, once, of a file that is written in place. */
const IN_PLACE: Readonly<Record<InPlace, string>> = {
  refused:
    'cannot be replaced, being a mount of its own or protected by its folder, and is written in place; mount its folder instead',
  'hard links': 'has several names (hard links) and is written in place, so that it stays one file',
};

/** Most runs find nothing due: what speaks HTTP is loaded when something is. */
const lazyEndpoint: TokenEndpoint = {
  async request(recipe, refreshToken) {
    const { httpTokenEndpoint } = await import('./adapters/endpoint.js');
    return httpTokenEndpoint().request(recipe, refreshToken);
  },
  async exchange(client, parameters) {
    const { httpTokenEndpoint } = await import('./adapters/endpoint.js');
    return httpTokenEndpoint().exchange(client, parameters);
  },
};

/** Nothing is sent once the program is being stopped, whoever would send it. */
function untilStopped(endpoint: TokenEndpoint, inFlight: InFlight): TokenEndpoint {
  const unsent = { sent: false, answer: null, trouble: 'the program is being stopped' };
  return {
    request: async (recipe, token) => (inFlight.isStopped ? unsent : endpoint.request(recipe, token)),
    exchange: async (client, parameters) => (inFlight.isStopped ? unsent : endpoint.exchange(client, parameters)),
  };
}

/** Why it cannot be read is said by the look at everything. */
function nullOfFile(error: unknown): null {
  if (error instanceof FileError) return null;
  throw error;
}

function samePlace(a: string, b: string): boolean {
  return realpathSync(a) === realpathSync(b);
}

function outputName({ path }: { readonly path: string }): string {
  return path.slice(path.lastIndexOf('/') + 1, -'.hbs'.length);
}
