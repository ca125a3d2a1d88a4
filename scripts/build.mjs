// Bundles src/ into dist/: the program in one file (reading one instead of hundreds is most of a quick start), what
// only a bridge needs in another, and the launcher.

import { spawnSync } from 'node:child_process';
import { createHash } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { chmod, cp, mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { build } from 'esbuild';
import ts from 'typescript';
import { buildId } from './build-id.mjs';
import { compilePage } from './compile-page.mjs';
import { compileSchemas } from './compile-schemas.mjs';
import { compileTemplates } from './compile-templates.mjs';
import { thirdPartyLicenses } from './third-party-licenses.mjs';

const root = fileURLToPath(new URL('..', import.meta.url));
const options = { absWorkingDir: root, platform: 'node', target: 'node20', format: 'cjs', logLevel: 'warning' };

compileSchemas();
compileTemplates();
compilePage();
/** Another one for other sources. */
const sourceId = buildId().slice(0, 12);

/**
 * What programs import: names for ESM, and the types of those names once for `import` and once for `require`, as
 * TypeScript takes the kind of a module from the ending of its declarations.
 */
async function declareLibrary() {
  await writeFile(`${root}dist/library.mjs`, "export { getTokenManager, TokenError } from './library.cjs';\n");
  await mkdir(`${root}dist/ground`);
  for (const name of ['library', 'ground/file-types']) {
    const { outputText } = ts.transpileDeclaration(readFileSync(`${root}src/${name}.ts`, 'utf8'), {
      fileName: `${name}.ts`,
      compilerOptions: { module: ts.ModuleKind.NodeNext, target: ts.ScriptTarget.ES2022, strict: true },
    });
    for (const kind of ['mts', 'cts']) {
      const text = outputText.replaceAll(/(?<=from '\.[^']*)\.js(?=')/g, `.${kind.replace('ts', 'js')}`);
      await writeFile(`${root}dist/${name}.d.${kind}`, text);
    }
  }
}

const bundling = {
  ...options,
  bundle: true,
  mainFields: ['module', 'main'],
  alias: { 'string-width': './scripts/plain-width.mjs', 'thread-stream': './scripts/no-threads.mjs' },
  inject: ['./scripts/plain-headers.mjs'],
  banner: { js: "const PROGRAM_URL = require('node:url').pathToFileURL(__filename).href;" },
  define: { 'import.meta.url': 'PROGRAM_URL', SOURCE_ID: JSON.stringify(sourceId) },
  // Less to read at every start; names stay, for stack traces.
  minifySyntax: true,
  minifyWhitespace: true,
  legalComments: 'linked',
  metafile: true,
  write: false,
};
/** MCP's SDK, the API's server and Redis are most of the whole, and most commands have no use for them. */
const apart = {
  name: 'apart',
  setup: ({ onResolve }) => {
    onResolve({ filter: /^@modelcontextprotocol\// }, () => ({ path: './mcp-sdk.cjs', external: true }));
    onResolve({ filter: /^redis$/ }, () => ({ path: './redis.cjs', external: true }));
    onResolve({ filter: /^\.\/api\/server\.js$/ }, () => ({ path: './api.cjs', external: true }));
  },
};
const bundle = await build({
  ...bundling,
  entryPoints: ['src/main.ts'],
  outfile: 'dist/program.cjs',
  plugins: [apart],
});
const sdk = await build({
  ...bundling,
  stdin: {
    contents: `
      export {
        discoverAuthorizationServerMetadata, discoverOAuthServerInfo, extractWWWAuthenticateParams, registerClient,
        SdkHttpError, selectResourceURL, SSEClientTransport, SseError, StreamableHTTPClientTransport,
      } from '@modelcontextprotocol/client';
      `,
    resolveDir: root,
  },
  outfile: 'dist/mcp-sdk.cjs',
});
const redis = await build({
  ...bundling,
  stdin: { contents: "export { createClient } from 'redis';", resolveDir: root },
  outfile: 'dist/redis.cjs',
});
const api = await build({ ...bundling, inject: [], entryPoints: ['src/api/server.ts'], outfile: 'dist/api.cjs' });
const library = await build({
  ...bundling,
  entryPoints: ['src/library.ts'],
  outfile: 'dist/library.cjs',
  plugins: [apart],
});
const [program = ''] = bundle.outputFiles.filter(({ path }) => path.endsWith('program.cjs')).map(({ text }) => text);
const id = createHash('sha256').update(program).digest('hex').slice(0, 12);
await rm(`${root}dist`, { recursive: true, force: true });
await mkdir(`${root}dist`);
const bundles = [bundle, sdk, redis, api, library];
for (const { outputFiles } of bundles) {
  for (const { path, contents } of outputFiles) await writeFile(path, contents);
}
const licenses = thirdPartyLicenses(
  root,
  bundles.map(({ metafile }) => metafile),
);
await writeFile(`${root}dist/THIRD-PARTY-LICENSES.txt`, licenses);
await declareLibrary();
await writeFile(`${root}dist/build-id`, buildId());
// V8 tells a compiled form from another one's source by its length alone: hence the id in its name.
await build({
  ...options,
  entryPoints: ['src/launch.ts'],
  outfile: 'dist/main.cjs',
  define: { BUILD_ID: JSON.stringify(id) },
});
await chmod(`${root}dist/main.cjs`, 0o755);
// The first run writes V8's compiled form, of what it has called: so it is a whole cycle, in a folder of its own.
const trial = await mkdtemp(join(tmpdir(), 'token-refresher-build-'));
await cp(`${root}registry/servers`, join(trial, 'registry/servers'), { recursive: true });
spawnSync(process.execPath, [`${root}dist/main.cjs`, '--once', '--root', trial], { stdio: 'ignore' });
await rm(trial, { recursive: true, force: true });
