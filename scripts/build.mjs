// Bundles src/ into dist/: the program in one file (reading one instead of hundreds is most of a quick start) and
// its launcher.

import { spawnSync } from 'node:child_process';
import { chmod, rm } from 'node:fs/promises';
import { fileURLToPath } from 'node:url';
import { build } from 'esbuild';
import { compileSchemas } from './compile-schemas.mjs';

const root = fileURLToPath(new URL('..', import.meta.url));
const options = { absWorkingDir: root, platform: 'node', target: 'node20', format: 'cjs', logLevel: 'warning' };

compileSchemas();
await rm(`${root}dist`, { recursive: true, force: true });
await build({
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
});
await build({ ...options, entryPoints: ['src/launch.ts'], outfile: 'dist/main.cjs' });
await chmod(`${root}dist/main.cjs`, 0o755);
// The first run writes V8's compiled form: a call that goes through most of the program makes the best one.
spawnSync(process.execPath, [`${root}dist/main.cjs`, 'validate', '--root', root], { stdio: 'ignore' });
