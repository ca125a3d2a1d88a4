// Compiles schemas/*.schema.json to src/generated/validators.js: at run time Ajv would take longer to start than
// everything else together.
import { mkdirSync, readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { Ajv } from 'ajv';
import standaloneCode from 'ajv/dist/standalone/index.js';

const root = fileURLToPath(new URL('..', import.meta.url));

/** What the program prints; tests check it, the program does not check itself. */
const REPORTS = ['status', 'health', 'validate', 'render', 'refresh'];

export function compileSchemas() {
  const names = readdirSync(join(root, 'schemas'))
    .filter((file) => file.endsWith('.schema.json'))
    .map((file) => file.slice(0, -'.schema.json'.length))
    .filter((name) => !REPORTS.includes(name));
  const ajv = new Ajv({
    allErrors: true,
    verbose: true,
    allowUnionTypes: true,
    strictRequired: false,
    code: { source: true, esm: true, lines: true },
  });
  for (const name of names) {
    ajv.addSchema(
      JSON.parse(readFileSync(join(root, 'schemas', `${name}.schema.json`), 'utf8')),
      `${name}.schema.json`,
    );
  }
  const identifiers = Object.fromEntries(names.map((name) => [name.replaceAll('-', '_'), `${name}.schema.json`]));
  const table = names.map((name) => `  ${JSON.stringify(name)}: ${name.replaceAll('-', '_')},`).join('\n');
  const folder = join(root, 'src/generated');
  mkdirSync(folder, { recursive: true });
  writeFileSync(
    join(folder, 'validators.js'),
    `${standaloneCode(ajv, identifiers)}\nexport const VALIDATORS = {\n${table}\n};\n`,
  );
  writeFileSync(
    join(folder, 'validators.d.ts'),
    "import type { ValidateFunction } from 'ajv';\n\n/** By name of the schema. */\nexport const VALIDATORS: Readonly<Record<string, ValidateFunction>>;\n",
  );
}
