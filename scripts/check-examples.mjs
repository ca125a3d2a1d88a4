// Compiles and runs the TypeScript of README.md, as a project of its own that has this package installed.
import { spawnSync } from 'node:child_process';
import { mkdirSync, mkdtempSync, readFileSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';

const repository = fileURLToPath(new URL('..', import.meta.url));
const examples = [...readFileSync(join(repository, 'README.md'), 'utf8').matchAll(/^ *```ts\n([\s\S]*?)^ *```/gm)];
if (examples.length === 0) throw new Error('README.md has no example in TypeScript');

const project = mkdtempSync(join(tmpdir(), 'token-refresher-examples-'));
try {
  mkdirSync(join(project, 'node_modules/@types'), { recursive: true });
  symlinkSync(repository, join(project, 'node_modules/mcp-token-refresher'));
  symlinkSync(join(repository, 'node_modules/@types/node'), join(project, 'node_modules/@types/node'));
  writeFileSync(join(project, 'package.json'), '{"type": "module"}');
  const token = { access_token: 'made-up-access', refresh_token: 'made-up-refresh', expires_at: 4_000_000_000 };
  writeFileSync(join(project, '.mcp_tokens_readonly.json'), JSON.stringify(token));
  for (const [index, [, source]] of examples.entries()) {
    const name = `example-${index + 1}`;
    writeFileSync(join(project, `${name}.ts`), source);
    const tsc = join(repository, 'node_modules/typescript/bin/tsc');
    run(name, [tsc, '--strict', '--target', 'es2022', '--module', 'nodenext', '--types', 'node', `${name}.ts`]);
    run(name, [`${name}.js`]);
  }
  console.log(`${examples.length} examples of README.md compile and run`);
} finally {
  rmSync(project, { recursive: true, force: true });
}

function run(name, args) {
  const { status, stdout, stderr } = spawnSync(process.execPath, args, { cwd: project, encoding: 'utf8' });
  if (status === 0) return;
  console.error(`README.md, ${name}:\n${stdout}${stderr}`);
  process.exitCode = 1;
}
