// Puts src/api/page/ into one document, src/generated/page.js: only `/` is served without a key, so everything that
// makes up the page has to be in it. Its style and its script are allowed by their hashes, and nothing else is.
import { createHash } from 'node:crypto';
import { readFileSync, writeFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';

const root = fileURLToPath(new URL('..', import.meta.url));

export function compilePage() {
  const read = (name) => readFileSync(`${root}src/api/page/${name}`, 'utf8');
  const [style, script] = [read('page.css'), read('page.js')];
  const hash = (text) => `'sha256-${createHash('sha256').update(text).digest('base64')}'`;
  const policy = [
    "default-src 'none'",
    `style-src ${hash(style)}`,
    `script-src ${hash(script)}`,
    "connect-src 'self'",
    'img-src data:',
    "base-uri 'none'",
    "form-action 'none'",
    "frame-ancestors 'none'",
    "require-trusted-types-for 'script'",
    "trusted-types 'none'",
  ].join('; ');
  const page = read('page.html')
    .replace('<link rel="stylesheet" href="page.css" />', () => `<style>${style}</style>`)
    .replace('<script src="page.js"></script>', () => `<script>${script}</script>`);
  if (/ (?:src|href)="page\./.test(page)) throw new Error('src/api/page/page.html: its style or script was not found');
  const folder = `${root}src/generated`;
  writeFileSync(
    `${folder}/page.js`,
    `export const PAGE = ${JSON.stringify(page)};\nexport const POLICY = ${JSON.stringify(policy)};\n`,
  );
  writeFileSync(
    `${folder}/page.d.ts`,
    '/** The document. */\nexport const PAGE: string;\n/** Its Content-Security-Policy. */\nexport const POLICY: string;\n',
  );
}
