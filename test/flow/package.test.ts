import { spawnSync } from 'node:child_process';
import { mkdirSync, readdirSync, readFileSync, symlinkSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { satisfies } from 'semver';
import { describe, expect, it } from 'vitest';
import { Root } from '../fixtures/root.js';

const repository = fileURLToPath(new URL('../..', import.meta.url));
const read = (path: string): string => readFileSync(join(repository, path), 'utf8');

/** A project that has the package as `npm publish` would send it. */
function project(): Root {
  const root = new Root();
  const packed = spawnSync('npm', ['pack', '--ignore-scripts', '--silent', '--pack-destination', root.path], {
    cwd: repository,
    encoding: 'utf8',
  });
  expect(packed).toMatchObject({ status: 0 });
  mkdirSync(root.full('node_modules'));
  expect(spawnSync('tar', ['-xzf', packed.stdout.trim(), '-C', 'node_modules'], { cwd: root.path }).status).toBe(0);
  symlinkSync(root.full('node_modules/package'), root.full('node_modules/mcp-token-refresher'));
  return root;
}

const IMPORTED = `
import { getTokenManager, TokenError, type TokenManager } from 'mcp-token-refresher';
const manager: TokenManager = getTokenManager('none');
console.log(typeof manager.getAccessToken, TokenError.name);
// @ts-expect-error: a name is a text
getTokenManager(7);
`;
const REQUIRED = IMPORTED.replace(/import (.*) from '(.*)';/, 'import library = require("$2");').replace(
  /: TokenManager|getTokenManager|TokenError/g,
  (name) => (name.startsWith(':') ? ': library.TokenManager' : `library.${name}`),
);

describe('types, as they are found from the package', () => {
  it.each([
    ['import, node16, an ES module', 'main.mts', IMPORTED, ['node16', 'node16']],
    ['import, node16, CommonJS', 'main.cts', IMPORTED, ['node16', 'node16']],
    ['require, node16', 'main.cts', REQUIRED, ['node16', 'node16']],
    ['import, nodenext, an ES module', 'main.mts', IMPORTED, ['nodenext', 'nodenext']],
    ['require, nodenext', 'main.cts', REQUIRED, ['nodenext', 'nodenext']],
    ['import, a bundler', 'main.ts', IMPORTED, ['esnext', 'bundler']],
    ['import, node10', 'main.ts', IMPORTED, ['commonjs', 'node10', '--ignoreDeprecations', '6.0']],
    ['require, node10', 'main.ts', REQUIRED, ['commonjs', 'node10', '--ignoreDeprecations', '6.0']],
  ])('%s', (_, file, source, [module = '', resolution = '', ...more]) => {
    const at = project().write(file, source);
    const settings = ['--strict', '--target', 'es2022', '--module', module];
    const tsc = join(repository, 'node_modules/typescript/bin/tsc');
    const compiled = spawnSync(process.execPath, [tsc, ...settings, '--moduleResolution', resolution, ...more, file], {
      cwd: at.path,
      encoding: 'utf8',
    });
    expect(compiled).toMatchObject({ status: 0, stdout: '' });
    const made = readdirSync(at.path).find((name) => /^main\.[cm]?js$/.test(name)) ?? '';
    if (resolution === 'bundler') return;
    const ran = spawnSync(process.execPath, [made], { cwd: at.path, encoding: 'utf8' });
    expect(ran).toMatchObject({ status: 0, stdout: 'function TokenError\n', stderr: '' });
  });
});

it('holds the licence of everything that is bundled', () => {
  const root = project();
  const licenses = root.text('node_modules/mcp-token-refresher/dist/THIRD-PARTY-LICENSES.txt');
  const { dependencies } = JSON.parse(read('package.json')) as { dependencies: Record<string, string> };
  for (const [name, version] of Object.entries(dependencies)) {
    // Schemas are compiled when it is built: of ajv only what that code calls is bundled.
    expect(licenses).toContain(`\n${name} ${version}\nLicence: `);
  }
  const sections = licenses.split(`${'-'.repeat(80)}\n`).slice(1);
  expect(sections.length).toBeGreaterThan(Object.keys(dependencies).length);
  for (const section of sections) {
    expect(section).toMatch(/permission|redistribution|copyright|apache license|blue oak/i);
    expect(section.length).toBeGreaterThan(500);
  }
  expect(licenses).not.toContain(repository);
});

it('asks for no package that the oldest Node it allows cannot run', () => {
  const lock = JSON.parse(read('package-lock.json')) as { packages: Record<string, { engines?: { node?: string } }> };
  const asked = Object.entries(lock.packages).map(([path, { engines }]) => [path, engines?.node ?? '*'] as const);
  expect(asked.length).toBeGreaterThan(100);
  for (const version of ['20.19.0', '22.13.0', '24.0.0']) {
    expect(asked.filter(([, range]) => !satisfies(version, range))).toEqual([]);
  }
});
