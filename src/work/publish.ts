import { type Entry, type Joined, joinServers } from '../ground/entry.js';
import { isRecord, type Problem, problem, problemLine } from '../ground/problem.js';
import { type Reveal, type SelfCommand, templateContext } from '../ground/rendering.js';
import { DEFAULT_OUTPUTS, type Settings } from '../ground/settings.js';
import type { Complaint, Documents } from '../ports/documents.js';
import { SchemaError } from '../ports/documents.js';
import { FileError, type Files } from '../ports/files.js';
import { TemplateError, type Templates } from '../ports/templates.js';
import type { World } from './load.js';

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
  readonly documents: Documents;
  readonly templates: Templates;
  /** Reads what a template of this name's ending makes; null for endings nothing is known of. */
  readonly parseToml: (text: string) => unknown;
  readonly settings: Settings;
  readonly self: SelfCommand;
}

export interface Publisher {
  /** Renders every output and writes those that differ from what is on disk. */
  publish(world: World): Promise<Published>;
  /** The outputs as `reveal` shows secrets, and whether publishing would write them. Touches nothing. */
  preview(
    world: World,
    reveal: Reveal,
  ): { readonly outputs: readonly Preview[]; readonly problems: readonly Problem[] };
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

interface Rendered {
  readonly text: string | null;
  readonly servers: number;
  readonly problems: readonly Problem[];
}

export function createPublisher(parts: PublishParts): Publisher {
  const { files, documents, templates, parseToml, settings, self } = parts;
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
  const wanted = (): { output: string; file: string; own: boolean; signature: string }[] => {
    const names: readonly string[] = settings.outputs ?? DEFAULT_OUTPUTS;
    return templates.list().filter(({ output, own }) => own || names.includes(output));
  };

  /** An entry that its schema refuses is left out: in some clients one bad entry loses every server. */
  const render = (output: string, file: string, entries: readonly Entry[], reveal: Reveal): Rendered => {
    const problems: Problem[] = [];
    let left = entries;
    for (;;) {
      const text = templates.render(output, templateContext(settings.root, left, self, reveal));
      const value = parseOutput(output, text);
      const complaints = value === undefined ? [] : documents.validate(schemaOf(output), value);
      if (complaints.length === 0) return { text, servers: left.length, problems };
      const bad = new Map(
        complaints.flatMap((complaint) => (keyIn(complaint) ? [[keyIn(complaint), complaint]] : [])) as [
          string,
          Complaint,
        ][],
      );
      const rest = left.filter(({ key }) => !bad.has(key));
      if (rest.length === left.length) {
        const [first] = complaints;
        problems.push(problem(file, '', `its result is wrong at ${first?.pointer || 'the top'}: ${first?.message}`));
        return { text: null, servers: 0, problems };
      }
      for (const entry of left) {
        const complaint = bad.get(entry.key);
        if (complaint)
          problems.push(
            problem(entry.file, '', `its entry is left out of ${output}: ${complaint.pointer} ${complaint.message}`),
          );
      }
      left = rest;
    }
  };
  const parseOutput = (output: string, text: string): unknown => {
    if (output.endsWith('.toml')) return known(output) ? parseToml(text) : void parseToml(text);
    if (!output.endsWith('.json')) return undefined;
    try {
      const value: unknown = JSON.parse(text);
      return known(output) ? value : undefined;
    } catch {
      // The engine's message would quote the text, with a token in it.
      const parsed = documents.parse(text);
      throw new TemplateError('', `its result ${'complaint' in parsed ? parsed.complaint.message : 'is not JSON'}`);
    }
  };
  /** `mcp.json` is checked against `mcp.schema.json`; where deliveries differ in shape, `env-mcp.schema.json`. */
  const schemaOf = (output: string): string => {
    const stem = output.replace(/\.[^.]+$/, '');
    const special = `${settings.delivery}-${stem}`;
    return documents.knows(special) ? special : stem;
  };
  const known = (output: string): boolean => documents.knows(schemaOf(output));

  const attempt = (output: string, file: string, entries: readonly Entry[], reveal: Reveal): Rendered => {
    try {
      return render(output, file, entries, reveal);
    } catch (error) {
      if (!(error instanceof TemplateError || error instanceof SchemaError || isTomlError(error))) throw error;
      const where = error instanceof TemplateError && error.file !== '' ? error.file : file;
      return { text: null, servers: 0, problems: [problem(where, '', error.message)] };
    }
  };

  const write = async (path: string, text: string): Promise<Output['status']> => {
    if (contentOf(files, path) === text) return 'unchanged';
    await files.write(path, text);
    return 'written';
  };

  const publishOne = async (
    output: string,
    file: string,
    template: string,
    world: World,
    entries: readonly Entry[],
  ) => {
    const path = `${FOLDER}/${output}`;
    const disk = (): string => files.look(path)?.signature ?? '';
    const before = made.get(output);
    if (before && before.world === world && before.template === template && before.disk === disk()) {
      return { output: { ...before.output, status: 'unchanged' as const }, problems: before.problems };
    }
    const { text, servers, problems } = attempt(output, file, entries, (secret) => secret.reveal());
    if (text === null) return { output: { path, status: 'failed' as const, servers: 0 }, problems };
    try {
      const done = { path, status: await write(path, text), servers };
      made.set(output, { world, template, disk: disk(), output: done, problems });
      return { output: done, problems };
    } catch (error) {
      if (!(error instanceof FileError)) throw error;
      return {
        output: { path, status: 'failed' as const, servers },
        problems: [...problems, problem(path, '', error.message)],
      };
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
      for (const { output, file, signature } of wanted()) {
        results.push(await publishOne(output, file, signature, world, entries));
      }
      return {
        joined,
        outputs: results.map(({ output }) => output),
        problems: distinct(results.flatMap(({ problems }) => problems)),
      };
    },
    preview(world, reveal) {
      const entries = entriesOf(joinOnce(world));
      const outputs: Preview[] = [];
      const problems: Problem[] = [];
      for (const { output, file } of wanted()) {
        const path = `${FOLDER}/${output}`;
        const shown = attempt(output, file, entries, reveal);
        const real = attempt(output, file, entries, (secret) => secret.reveal());
        problems.push(...real.problems);
        if (shown.text === null || real.text === null) continue;
        outputs.push({ path, text: shown.text, differs: contentOf(files, path) !== real.text, servers: real.servers });
      }
      return { outputs, problems: distinct(problems) };
    },
  };
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

/** The entry that a complaint about `/mcpServers/KEY/...` is about. */
function keyIn({ pointer }: Complaint): string | null {
  return pointer.split('/')[2] ?? null;
}

function isTomlError(error: unknown): error is Error {
  return isRecord(error) && error instanceof Error && error.name === 'TomlError';
}

function distinct(problems: readonly Problem[]): Problem[] {
  return [...new Map(problems.map((one) => [problemLine(one), one])).values()];
}
