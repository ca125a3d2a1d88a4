// dependency-cruiser finds no violation where it reads no file, as beside a TypeScript it does not know. This fails
// unless it has read every file of src/ and found the imports of those that have any.
import { spawnSync } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import fastGlob from 'fast-glob';

const root = fileURLToPath(new URL('..', import.meta.url));
const call = ['--no', 'depcruise', '--', 'src', '--config', '.dependency-cruiser.cjs', '--output-type', 'json'];
const { stdout } = spawnSync('npx', call, { cwd: root, encoding: 'utf8', maxBuffer: 2 ** 26 });
const imports = new Map(JSON.parse(stdout).modules.map(({ source, dependencies }) => [source, dependencies.length]));

const unread = fastGlob.sync('src/**/*.ts', { cwd: root, ignore: ['**/*.d.ts'] }).filter((file) => {
  const importing = /^import .* from '/m.test(readFileSync(`${root}${file}`, 'utf8'));
  return importing ? !imports.get(file) : !imports.has(file);
});
if (unread.length > 0) {
  console.error(`dependency-cruiser has not read: ${unread.join(', ')}`);
  process.exit(1);
}
