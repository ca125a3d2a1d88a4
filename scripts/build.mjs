// Bundles src/ into dist/: the program in one file (reading one instead of hundreds is most of a quick start) and
// its launcher.

import { spawnSync } from 'node:child_process';
import { createHash } from 'node:crypto';
import { chmod, mkdir, rm, writeFile } from 'node:fs/promises';
import { fileURLToPath } from 'node:url';
import { build } from 'esbuild';
import { compileSchemas } from './compile-schemas.mjs';

const root = fileURLToPath(new URL('..', import.meta.url));
const options = { absWorkingDir: root, platform: 'node', target: 'node20', format: 'cjs', logLevel: 'warning' };

compileSchemas();
const bundle = await build({
  ...options,
  entryPoints: ['src/main.ts'],
  outfile: 'dist/program.cjs',
  bundle: true,
  mainFields: ['module', 'main'],
  banner: { js: "const PROGRAM_URL = require('node:url').pathToFileURL(__filename).href;" },
  define: { 'import.meta.url': 'PROGRAM_URL' },
  // Less to read at every start; names stay, for stack traces.
  minifySyntax: true,
  minifyWhitespace: true,
  legalComments: 'linked',
  write: false,
});
const [program = ''] = bundle.outputFiles.filter(({ path }) => path.endsWith('program.cjs')).map(({ text }) => text);
const id = createHash('sha256').update(program).digest('hex').slice(0, 12);
await rm(`${root}dist`, { recursive: true, force: true });
await mkdir(`${root}dist`);
for (const { path, contents } of bundle.outputFiles) await writeFile(path, contents);
// V8 tells a compiled form from another one's source by its length alone: hence the id in its name.
await build({
  ...options,
  entryPoints: ['src/launch.ts'],
  outfile: 'dist/main.cjs',
  define: { BUILD_ID: JSON.stringify(id) },
});
await chmod(`${root}dist/main.cjs`, 0o755);
// The first run writes V8's compiled form: a call that goes through most of the program makes the best one.
spawnSync(process.execPath, [`${root}dist/main.cjs`, 'validate', '--root', root], { stdio: 'ignore' });
