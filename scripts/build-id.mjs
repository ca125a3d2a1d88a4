// What dist/ was built from: a hash of the sources and one of the lock file, a line each. As a program it says what a
// checkout lacks whose dist/ is there: `install` where the packages have changed, `build` where only the sources have.
import { createHash } from 'node:crypto';
import { readdirSync, readFileSync } from 'node:fs';
import { join, sep } from 'node:path';
import { fileURLToPath } from 'node:url';

const root = fileURLToPath(new URL('..', import.meta.url));
const SOURCES = ['src', 'schemas', 'templates', 'scripts'];
const GENERATED = join('src', 'generated');

function hashOf(paths) {
  const hash = createHash('sha256');
  for (const path of paths)
    hash
      .update(path.replaceAll(sep, '/'))
      .update('\0')
      .update(readFileSync(join(root, path)));
  return hash.digest('hex');
}

function sources() {
  const files = SOURCES.flatMap((folder) =>
    readdirSync(join(root, folder), { recursive: true, withFileTypes: true })
      .filter((entry) => entry.isFile())
      .map((entry) => join(entry.parentPath ?? entry.path, entry.name).slice(root.length)),
  );
  const built = /\.(?:ts|js|css|html|json|hbs|mjs)$/;
  return [...files.filter((file) => built.test(file) && !file.startsWith(GENERATED)), 'package.json'].sort();
}

/** By content: `git pull`, `rsync` and a copy each have another idea of when a file was changed. */
export function buildId() {
  return `${hashOf(sources())}\n${hashOf(['package-lock.json'])}\n`;
}

if (process.argv[1] === fileURLToPath(import.meta.url)) {
  let before = '';
  try {
    before = readFileSync(`${root}dist/build-id`, 'utf8');
  } catch {
    // From a build that did not note it.
  }
  const [[, lock], now] = [before.split('\n'), buildId()];
  if (now !== before) console.log(now.split('\n')[1] === lock ? 'build' : 'install');
}
