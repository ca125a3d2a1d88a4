// The licences of everything that is bundled into dist/: most of them ask that their text goes where the code goes.
import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';

/** A licence's own file, and what some packages add to it. */
const TEXTS = /^(?:licen[cs]e|copying|notice)(?:[.-].*)?$/i;
const RULE = '-'.repeat(80);

/** Of packages under the MIT licence that come without its text: who gives the permission. */
const HOLDERS = new Map([
  ['abstract-logging', 'James Sumners'],
  ['redis', 'Redis, inc.'],
  ['@redis/bloom', 'Redis, inc.'],
  ['@redis/client', 'Redis, inc.'],
  ['@redis/json', 'Redis, inc.'],
  ['@redis/search', 'Redis, inc.'],
  ['@redis/time-series', 'Redis, inc.'],
]);

/** One text for all: name, version, licence and its words for each package that the bundles hold a file of. */
export function thirdPartyLicenses(root, metafiles) {
  const [, words] = /^(Permission is hereby granted[\s\S]*)/m.exec(readFileSync(join(root, 'LICENSE'), 'utf8'));
  const folders = new Set(metafiles.flatMap(({ inputs }) => Object.keys(inputs)).flatMap(packageOf));
  const packages = new Map([...folders].map((folder) => [folder, read(join(root, folder), words)]));
  const unique = new Map([...packages.values()].map((one) => [`${one.name}@${one.version}`, one]));
  const sections = [...unique.values()]
    .sort((a, b) => (a.name < b.name ? -1 : 1))
    .map(({ name, version, license, text }) => `${RULE}\n${name} ${version}\nLicence: ${license}\n\n${text.trim()}\n`);
  return `mcp-token-refresher holds code of these packages, each under its own licence.\n\n${sections.join('\n')}`;
}

/** The folder of the package that a file is of; none for this project's own files. */
function packageOf(input) {
  const [folder] = /^.*node_modules\/(?:@[^/]+\/)?[^/]+/.exec(input) ?? [];
  return folder === undefined ? [] : [folder];
}

function read(folder, mit) {
  const { name, version, license } = JSON.parse(readFileSync(join(folder, 'package.json'), 'utf8'));
  if (typeof license !== 'string') throw new Error(`${name} is bundled, and does not say what licence it has`);
  const texts = readdirSync(folder).filter((file) => TEXTS.test(file));
  if (texts.length > 0) {
    return { name, version, license, text: texts.map((file) => readFileSync(join(folder, file), 'utf8')).join('\n') };
  }
  const holder = HOLDERS.get(name);
  if (holder === undefined || license !== 'MIT') throw new Error(`${name} is bundled, and has no text of its licence`);
  return { name, version, license, text: `Copyright (c) ${holder}\n\n${mit}` };
}
