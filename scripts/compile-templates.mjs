// Compiles templates/ to src/generated/templates.js: the shipped ones need no compiler when the program runs.
import { readFileSync, writeFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import fastGlob from 'fast-glob';
import Handlebars from 'handlebars';

const root = fileURLToPath(new URL('..', import.meta.url));

export function compileTemplates() {
  const entries = fastGlob
    .sync('templates/*/*.hbs', { cwd: root })
    .sort()
    .map((file) => {
      const spec = Handlebars.precompile(readFileSync(root + file, 'utf8'), { strict: true, noEscape: true });
      return `  ${JSON.stringify(file)}: ${spec},`;
    });
  writeFileSync(`${root}src/generated/templates.js`, `export const TEMPLATES = {\n${entries.join('\n')}\n};\n`);
  writeFileSync(
    `${root}src/generated/templates.d.ts`,
    '/** By path; what Handlebars.template() takes. */\nexport const TEMPLATES: Readonly<Record<string, object>>;\n',
  );
}
