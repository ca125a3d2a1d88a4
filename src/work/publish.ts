import { type Entry, type Joined, joinServers } from '../ground/entry.js';
import { leakFinder, secretsOf } from '../ground/leaks.js';
import { type Problem, problem, problemLine } from '../ground/problem.js';
import { type Reveal, type SelfCommand, shellLine } from '../ground/rendering.js';
import { DEFAULT_OUTPUTS, type Settings } from '../ground/settings.js';
import { FileError, type Files } from '../ports/files.js';
import type { TemplateListed, Templates } from '../ports/templates.js';
import type { World } from './load.js';
import type { Render, Rendered } from './render.js';

/** What became of one output. */
export interface Output {
  /** Relative to the root. */
  readonly path: string;
  readonly status: 'written' | 'unchanged' | 'failed';
  readonly servers: number;
}

export interface Published {
  readonly joined: Joined;
  readonly outputs: readonly Output[];
  readonly problems: readonly Problem[];
}

export interface PublishParts {
  readonly files: Files;
  readonly templates: Templates;
  readonly render: Render;
  /** As text of the outputs; throws for what is none. */
  readonly parseToml: (text: string) => unknown;
  readonly self: SelfCommand;
  readonly settings: Settings;
}

export interface Publisher {
  /** Renders every output and writes those that differ from what is on disk. */
  publish(world: World): Promise<Published>;
  /** The outputs as `reveal` shows secrets, and whether publishing would write them. Touches nothing. */
  preview(
    world: World,
    reveal: Reveal,
  ): { readonly outputs: readonly Preview[]; readonly problems: readonly Problem[] };
  /** One output, also one that is not asked for; null where nothing good can be made. */
  text(output: string, world: World, reveal: Reveal): string | null;
  /** Under delivery live: every output, as it is on disk and as it would be written, that holds a secret. */
  leaks(world: World): readonly Problem[];
  join(world: World): Joined;
  /** Names that there is a template for, ... */
  readonly knownOutputs: readonly string[];
  /** ... and those asked for that there is none for. */
  readonly unknownOutputs: readonly string[];
}

export interface Preview {
  readonly path: string;
  readonly text: string;
  readonly differs: boolean;
  readonly servers: number;
}

const FOLDER = '.oauth-tokens';

export function createPublisher(parts: PublishParts): Publisher {
  const { files, templates, render, settings } = parts;
  /** What was made last, of what, and how it lies on disk: nothing is rendered again while all three stand. */
  const made = new Map<
    string,
    { world: World; template: string; disk: string; output: Output; problems: readonly Problem[] }
  >();

  const join = (world: World): Joined => {
    const { tokens, servers, switchedOff, providers, environment } = world;
    return joinServers({ tokens, servers, switchedOff, providers, environment, registryUrl: settings.registryUrl });
  };
  const entriesOf = ({ listings }: Joined): Entry[] => listings.flatMap(({ entry }) => (entry ? [entry] : []));
  const wanted = (): TemplateListed[] => {
    const names: readonly string[] = settings.outputs ?? DEFAULT_OUTPUTS;
    return templates.list().filter(({ output, own }) => own || names.includes(output));
  };

  const write = async (path: string, text: string): Promise<Output['status']> => {
    if (contentOf(files, path) === text) return 'unchanged';
    await files.write(path, text);
    return 'written';
  };

  const partialProblems = (): Problem[] => templates.troubles().map(({ file, message }) => problem(file, '', message));

  const renderListed = (
    { output, file, trouble }: TemplateListed,
    entries: readonly Entry[],
    reveal: Reveal,
  ): Rendered => {
    if (trouble !== null) return { text: null, servers: 0, problems: [problem(file, '', trouble)] };
    return render(output, file, entries, reveal);
  };

  const publishOne = async (
    template: TemplateListed,
    world: World,
    entries: readonly Entry[],
  ): Promise<{ output: Output; problems: readonly Problem[] }> => {
    const { output, signature } = template;
    const path = `${FOLDER}/${output}`;
    const disk = (): string => files.signature(path);
    const before = made.get(output);
    if (before && before.world === world && before.template === signature && before.disk === disk()) {
      return { output: { ...before.output, status: 'unchanged' }, problems: before.problems };
    }
    const { text, servers, problems } = renderListed(template, entries, (secret) => secret.reveal());
    if (text === null) return { output: { path, status: 'failed', servers: 0 }, problems };
    try {
      const done = { path, status: await write(path, text), servers };
      made.set(output, { world, template: signature, disk: disk(), output: done, problems });
      return { output: done, problems };
    } catch (error) {
      if (!(error instanceof FileError)) throw error;
      return { output: { path, status: 'failed', servers }, problems: [...problems, problem(path, '', error.message)] };
    }
  };

  let lastJoined: { readonly world: World; readonly joined: Joined } | null = null;
  const joinOnce = (world: World): Joined => {
    if (lastJoined?.world !== world) lastJoined = { world, joined: join(world) };
    return lastJoined.joined;
  };

  return {
    join: joinOnce,
    get knownOutputs() {
      return templates.list().map(({ output }) => output);
    },
    get unknownOutputs() {
      return settings.outputs?.filter((name) => !this.knownOutputs.includes(name)) ?? [];
    },
    async publish(world) {
      const joined = joinOnce(world);
      const entries = entriesOf(joined);
      const results = [];
      for (const template of wanted()) results.push(await publishOne(template, world, entries));
      return {
        joined,
        outputs: results.map(({ output }) => output),
        problems: distinct([...partialProblems(), ...results.flatMap(({ problems }) => problems)]),
      };
    },
    preview(world, reveal) {
      const entries = entriesOf(joinOnce(world));
      const outputs: Preview[] = [];
      const problems: Problem[] = partialProblems();
      for (const template of wanted()) {
        const path = `${FOLDER}/${template.output}`;
        const shown = renderListed(template, entries, reveal);
        const real = renderListed(template, entries, (secret) => secret.reveal());
        problems.push(...real.problems);
        if (shown.text === null || real.text === null) continue;
        outputs.push({ path, text: shown.text, differs: contentOf(files, path) !== real.text, servers: real.servers });
      }
      return { outputs, problems: distinct(problems) };
    },
    text(output, world, reveal) {
      const template = templates.list().find((one) => one.output === output);
      return template ? renderListed(template, entriesOf(joinOnce(world)), reveal).text : null;
    },
    leaks(world) {
      if (settings.delivery !== 'live') return [];
      const entries = entriesOf(joinOnce(world));
      const finder = leakFinder(secretsOf(world.tokens, entries));
      const own = [...parts.self, shellLine(parts.self), settings.root, ...entries.map(({ key }) => key)];
      const found = (file: string, output: string, text: string | null, remedy: string): Problem[] => {
        if (text === null) return [];
        const leaks = finder.in(documentOf(output, text, parts.parseToml), own);
        return leaks.map(({ pointer, what }) => problem(file, pointer, `holds ${what}; ${remedy}`));
      };
      const rendered = new Set(wanted().map(({ output }) => output));
      return templates.list().flatMap((template) => {
        const { output, file } = template;
        const path = `${FOLDER}/${output}`;
        const isRendered = rendered.has(output);
        const { text } = isRendered ? renderListed(template, entries, (secret) => secret.reveal()) : { text: null };
        const remedy = isRendered
          ? 'to write it anew, run: token-refresher render'
          : 'it is not rendered now: remove it';
        const result = found(file, output, text, 'take it out').map((one) => ({
          ...one,
          pointer: '',
          message: `its result ${one.message}${one.pointer === '' ? '' : ` (at ${one.pointer})`}`,
        }));
        return distinct([...result, ...found(path, output, contentOf(files, path), remedy)]);
      });
    },
  };
}

/** A text whose form is not known is one piece. */
function documentOf(output: string, text: string, parseToml: (text: string) => unknown): unknown {
  try {
    return output.endsWith('.toml') ? parseToml(text) : JSON.parse(text);
  } catch {
    return text;
  }
}

function contentOf(files: Files, path: string): string | null {
  if (files.look(path)?.kind !== 'file') return null;
  try {
    return files.read(path);
  } catch (error) {
    if (error instanceof FileError) return null;
    throw error;
  }
}

function distinct(problems: readonly Problem[]): Problem[] {
  return [...new Map(problems.map((one) => [problemLine(one), one])).values()];
}
