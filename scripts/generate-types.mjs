// Derives the TypeScript types of files from schemas/*.schema.json. With --check: fails when they are not up to date.
import { readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { compile } from 'json-schema-to-typescript';

const root = fileURLToPath(new URL('..', import.meta.url));
const schemas = join(root, 'schemas');
const target = join(root, 'src/ground/file-types.ts');
const TYPED = [
  'token-file',
  'token-store',
  'server',
  'server-state',
  'provider',
  'wanted-token',
  'history',
  'token-backup',
  'status',
];

const parts = ['// Generated from schemas/*.schema.json by "npm run generate"; change those.\n'];
for (const name of TYPED) {
  const file = `${name}.schema.json`;
  if (!readdirSync(schemas).includes(file)) throw new Error(`schemas/${file} is missing`);
  const schema = JSON.parse(readFileSync(join(schemas, file), 'utf8'));
  parts.push(
    await compile(schema, name, {
      cwd: schemas,
      bannerComment: '',
      declareExternallyReferenced: name !== 'token-store',
      style: { singleQuote: true, printWidth: 120 },
    }),
  );
}
const text = parts.join('\n');

if (process.argv.includes('--check')) {
  if (readFileSync(target, 'utf8') !== text) {
    console.error('src/ground/file-types.ts is not what schemas/ say; run: npm run generate');
    process.exit(1);
  }
} else {
  writeFileSync(target, text);
}
