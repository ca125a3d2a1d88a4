import Handlebars from 'handlebars';
import { TEMPLATES } from '../generated/templates.js';
import type { Files, Listed } from '../ports/files.js';
import { TemplateError, type Templates } from '../ports/templates.js';

/**
 * Handlebars templates of one delivery: `templates/<delivery>/NAME.hbs` makes NAME, `templates/partials/*.hbs`
 * can be included. Strict (a misspelt name is an error) and without HTML escaping (the outputs are JSON and
 * TOML). `packaged` is what `shipped` is when it cannot change: its templates are compiled already.
 */
export function handlebarsTemplates(own: Files, shipped: Files, packaged: Files | null, delivery: string): Templates {
  let engine: Engine | null = null;
  const compiled = new Map<string, { readonly signature: string; readonly run: Handlebars.TemplateDelegate }>();

  const find = (folder: string): Map<string, { files: Files; listed: Listed }> => {
    const found = new Map<string, { files: Files; listed: Listed }>();
    for (const files of [shipped, own]) {
      for (const listed of files.list([`templates/${folder}/*.hbs`])) {
        const name = nameOf(listed.path);
        if (!name.startsWith('.')) found.set(name, { files, listed });
      }
    }
    return found;
  };
  const prepare = (): Engine => {
    const partials = find('partials');
    const signature = signatureOf(partials);
    if (engine?.signature === signature) return engine;
    const handlebars = Handlebars.create();
    handlebars.registerHelper(HELPERS);
    const troubles: TemplateError[] = [];
    for (const [name, { files, listed }] of partials) {
      try {
        if (listed.kind !== 'file') throw new TemplateError(listed.path, 'is not a regular file');
        const ready = files === packaged ? TEMPLATES[listed.path] : undefined;
        const text = ready ? '' : files.read(listed.path);
        if (!ready) handlebars.parse(text);
        handlebars.registerPartial(name, ready ? handlebars.template(ready) : text);
      } catch (error) {
        const trouble = templateError(listed.path, error);
        troubles.push(trouble);
        // Where it is included, it says itself that it is wrong.
        handlebars.registerPartial(name, () => {
          throw trouble;
        });
      }
    }
    compiled.clear();
    engine = { signature, handlebars, troubles };
    return engine;
  };

  return {
    list() {
      const partials = signatureOf(find('partials'));
      return [...find(delivery)].map(([output, { files, listed }]) => ({
        output,
        file: listed.path,
        own: files !== shipped,
        signature: `${listed.signature} ${partials}`,
        trouble: listed.kind === 'file' ? null : 'is not a regular file',
      }));
    },
    troubles: () => prepare().troubles,
    render(output, context) {
      const { handlebars } = prepare();
      const template = find(delivery).get(output);
      if (!template) throw new TemplateError(`templates/${delivery}/${output}.hbs`, 'there is no such template');
      const { files, listed } = template;
      try {
        let known = compiled.get(output);
        if (known?.signature !== listed.signature) {
          const ready = files === packaged ? TEMPLATES[listed.path] : undefined;
          const run = ready ? handlebars.template(ready) : handlebars.compile(files.read(listed.path), OPTIONS);
          known = { signature: listed.signature, run };
          compiled.set(output, known);
        }
        return known.run(context);
      } catch (error) {
        throw templateError(listed.path, error);
      }
    },
  };
}

const OPTIONS = { strict: true, noEscape: true };

interface Engine {
  readonly signature: string;
  readonly handlebars: typeof Handlebars;
  readonly troubles: readonly TemplateError[];
}

function signatureOf(found: ReadonlyMap<string, { readonly listed: Listed }>): string {
  return JSON.stringify([...found].map(([name, { listed }]) => [name, listed.signature]));
}

/** An error of Handlebars, with the template it is in. */
function templateError(file: string, error: unknown): TemplateError {
  if (error instanceof TemplateError) return error;
  const message = error instanceof Error ? error.message : 'it fails';
  return new TemplateError(file, message.replace(/\n[-.]*\^?\s*/g, ' ').trim(), error);
}

/** What templates can call. */
const HELPERS = {
  /** A value as JSON; a text in it is also a basic string of TOML. */
  json: (value: unknown): string => JSON.stringify(value),
  /** Whether two values are the same. */
  is: (a: unknown, b: unknown): boolean => a === b,
  /** A value and the members of a list as one list. */
  list: (first: unknown, rest: readonly unknown[]): unknown[] => [first, ...rest],
  /** Texts by name as JSON on one line with a blank after each `:` and `,`. */
  spaced: (values: Readonly<Record<string, string>>): string => {
    return `{${Object.entries(values)
      .map(([name, value]) => `${JSON.stringify(name)}: ${JSON.stringify(value)}`)
      .join(', ')}}`;
  },
};

function nameOf(path: string): string {
  return path.slice(path.lastIndexOf('/') + 1, -'.hbs'.length);
}
