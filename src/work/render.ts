import type { Entry } from '../ground/entry.js';
import { type Problem, problem } from '../ground/problem.js';
import { type Reveal, type SelfCommand, templateContext } from '../ground/rendering.js';
import type { Settings } from '../ground/settings.js';
import { type Documents, SchemaError } from '../ports/documents.js';
import { TemplateError, type Templates } from '../ports/templates.js';

export interface RenderParts {
  readonly documents: Documents;
  readonly templates: Templates;
  /** Throws a TemplateError for a text that is not TOML. */
  readonly parseToml: (text: string) => unknown;
  readonly settings: Settings;
  readonly self: SelfCommand;
}

export interface Rendered {
  /** Null when nothing good can be made. */
  readonly text: string | null;
  readonly servers: number;
  readonly problems: readonly Problem[];
}

/** Renders the template `file` into the text of `output`. */
export type Render = (output: string, file: string, entries: readonly Entry[], reveal: Reveal) => Rendered;

/**
 * Renders and checks one output. An entry that spoils it is left out, and named: in some clients one bad entry
 * loses every server.
 */
export function createRender({ documents, templates, parseToml, settings, self }: RenderParts): Render {
  /** `mcp.json` is checked against `mcp.schema.json`; where a delivery's shape differs, `env-mcp.schema.json`. */
  const schemaOf = (output: string): string | null => {
    const stem = output.replace(/\.[^.]+$/, '');
    return [`${settings.delivery}-${stem}`, stem].find((name) => documents.knows(name)) ?? null;
  };

  const parse = (output: string, text: string): unknown => {
    if (output.endsWith('.toml')) return parseToml(text);
    if (!output.endsWith('.json')) return undefined;
    try {
      return JSON.parse(text);
    } catch {
      // The engine's message would quote the text, with a token in it.
      const parsed = documents.parse(text);
      throw new TemplateError('', `its result ${'complaint' in parsed ? parsed.complaint.message : 'is not JSON'}`);
    }
  };

  /** The text, or what is wrong: by the key of the entry it is about, `''` where it is about all. */
  const attempt = (output: string, entries: readonly Entry[], reveal: Reveal): string | Map<string, string> => {
    const text = templates.render(output, templateContext(settings.root, entries, self, settings.delivery, reveal));
    const value = parse(output, text);
    const schema = schemaOf(output);
    const complaints = schema === null || value === undefined ? [] : documents.validate(schema, value);
    if (complaints.length === 0) return text;
    // A complaint about /mcpServers/KEY/... is about KEY.
    return new Map(complaints.map(({ pointer, message }) => [pointer.split('/')[2] ?? '', `${pointer} ${message}`]));
  };

  /** The entries that cannot be rendered even alone; none when that is not what is wrong. */
  const spoilers = (output: string, entries: readonly Entry[], reveal: Reveal): Map<string, string> => {
    const found = new Map<string, string>();
    for (const entry of entries) {
      try {
        attempt(output, [entry], reveal);
      } catch (error) {
        if (!(error instanceof TemplateError)) throw error;
        found.set(entry.key, error.message);
      }
    }
    return found.size < entries.length ? found : new Map();
  };

  return (output, file, entries, reveal) => {
    const problems: Problem[] = [];
    const failed = (where: string, message: string): Rendered => {
      return { text: null, servers: 0, problems: [...problems, problem(where, '', message)] };
    };
    for (let left = entries; ; ) {
      let wrong: Map<string, string>;
      try {
        const result = attempt(output, left, reveal);
        if (typeof result === 'string') return { text: result, servers: left.length, problems };
        wrong = result;
      } catch (error) {
        if (error instanceof SchemaError) return failed(file, error.message);
        if (!(error instanceof TemplateError)) throw error;
        wrong = spoilers(output, left, reveal);
        if (wrong.size === 0) return failed(error.file || file, error.message);
      }
      const good = left.filter(({ key }) => !wrong.has(key));
      if (good.length === left.length) return failed(file, `its result is wrong: ${[...wrong.values()][0]}`);
      for (const { key, file: source } of left) {
        const message = wrong.get(key);
        if (message !== undefined) {
          problems.push(problem(source, '', `its entry is left out of ${output}: ${message}`));
        }
      }
      left = good;
    }
  };
}
