import type { ErrorObject, ValidateFunction } from 'ajv';
import { type Node, type ParseError, parseTree, printParseErrorCode, visit } from 'jsonc-parser';
import { VALIDATORS } from '../generated/validators.js';
import { ownValue } from '../ground/lookup.js';
import { type Complaint, type Documents, type Parsed, SchemaError } from '../ports/documents.js';
import type { Files, Listed } from '../ports/files.js';

/**
 * JSON and its schemas. The shipped ones are compiled when the program is built; one of the root's own folder of
 * the same name wins, and Ajv is loaded only for those.
 */
export async function jsonDocuments(own: Files): Promise<Documents> {
  const schemas = own.list([`schemas/*${ENDING}`]);
  const validators = schemas.length === 0 ? VALIDATORS : { ...VALIDATORS, ...(await compileOwn(own, schemas)) };
  return {
    parse,
    knows: (schema) => Object.hasOwn(validators, schema),
    validate(schema, value) {
      const check = ownValue(validators, schema);
      if (!check) throw new SchemaError(`${pathOf(schema)}: there is no such schema`);
      return check(value) ? [] : complaints(check.errors ?? []);
    },
  };
}

const ENDING = '.schema.json';

type Check = Pick<ValidateFunction, 'errors'> & ((value: unknown) => unknown);

async function compileOwn(own: Files, schemas: readonly Listed[]): Promise<Record<string, Check>> {
  const { Ajv } = await import('ajv');
  const ajv = new Ajv({ allErrors: true, verbose: true, allowUnionTypes: true, strictRequired: false });
  const names = schemas.map(({ path }) => path.slice('schemas/'.length, -ENDING.length));
  // A schema of the root's may refer to a shipped one.
  for (const [name, { schema }] of Object.entries(VALIDATORS)) {
    if (!names.includes(name) && typeof schema === 'object') ajv.addSchema(schema, `${name}${ENDING}`);
  }
  const troubles = new Map<string, string>();
  const attempt = (name: string, work: () => void): void => {
    try {
      if (!troubles.has(name)) work();
    } catch (error) {
      troubles.set(name, error instanceof Error ? error.message : 'it cannot be used');
    }
  };
  for (const { path, kind } of schemas) {
    const name = path.slice('schemas/'.length, -ENDING.length);
    attempt(name, () => {
      if (kind !== 'file') throw new Error('is not a regular file');
      const parsed = parse(own.read(path));
      if ('complaint' in parsed) throw new Error(parsed.complaint.message);
      ajv.addSchema(parsed.value as object, `${name}${ENDING}`);
    });
  }
  const compiled = new Map<string, Check>();
  for (const name of names) {
    // After all are added, as they may refer to one another.
    attempt(name, () => {
      const check = ajv.getSchema(`${name}${ENDING}`);
      if (check) compiled.set(name, check);
    });
    if (!compiled.has(name)) compiled.set(name, refusing(name, troubles.get(name) ?? 'it cannot be used'));
  }
  return Object.fromEntries(compiled);
}

/** What is checked against a broken schema is not accepted, and the schema is named. */
function refusing(name: string, why: string): Check {
  return () => {
    throw new SchemaError(`${pathOf(name)}: ${why}`);
  };
}

function pathOf(schema: string): string {
  return `schemas/${schema}.schema.json`;
}

/** `anyOf` and the like report every branch; the innermost complaint about each place is the useful one. */
function complaints(errors: readonly ErrorObject[]): Complaint[] {
  const found = new Map<string, string>();
  for (const error of errors) {
    const { instancePath, keyword } = error;
    if (keyword === 'if' || (['anyOf', 'oneOf'].includes(keyword) && found.has(instancePath))) continue;
    found.set(instancePath, messageOf(error));
  }
  // Of a place and what is in it, only the latter: the branches of anyOf that do not apply complain of the former.
  const places = [...found.keys()];
  const inner = places.filter((place) => !places.some((other) => other.startsWith(`${place}/`)));
  return inner.map((pointer) => ({ pointer, message: found.get(pointer) ?? '' }));
}

function messageOf({ keyword, message, params, parentSchema }: ErrorObject): string {
  const expected: unknown = parentSchema?.description;
  switch (keyword) {
    case 'enum':
      return `must be one of ${params.allowedValues.map(String).join(', ')}`;
    case 'required':
      return `must have "${params.missingProperty}"`;
    case 'pattern':
    case 'type':
    case 'minimum':
    case 'maximum':
    case 'anyOf':
      if (typeof expected === 'string' && expected.length < 80) return `must be ${expected}`;
      return keyword === 'anyOf' ? 'has the wrong shape' : (message ?? keyword);
    default:
      return message ?? keyword;
  }
}

/** Strict JSON; what is wrong is told without quoting the text, which may be a secret. */
function parse(text: string): Parsed {
  const body = text.startsWith('\uFEFF') ? text.slice(1) : text;
  const bom =
    body === text ? null : 'starts with a byte order mark, which many programs refuse; save it as UTF-8 without';
  const odd = body.isWellFormed() ? null : 'holds bytes that are no UTF-8, which stay as they are; save it as UTF-8';
  let value: unknown;
  try {
    value = JSON.parse(body);
  } catch {
    return { complaint: { pointer: '', message: whyNotJson(body) } };
  }
  let twice: string | null;
  try {
    twice = duplicateKey(body, value);
  } catch (error) {
    if (!(error instanceof RangeError)) throw error;
    return { complaint: { pointer: '', message: 'is nested too deeply' } };
  }
  if (twice !== null) {
    return { complaint: { pointer: twice, message: 'the same key stands there twice; remove one of them' } };
  }
  return { value, warning: bom ?? odd };
}

function whyNotJson(body: string): string {
  if (body.trim() === '') return 'is empty';
  const errors: ParseError[] = [];
  visit(
    body,
    { onError: (error, offset, length) => errors.push({ error, offset, length }) },
    { disallowComments: true },
  );
  const [first] = errors;
  if (!first) return 'is not JSON';
  const before = body.slice(0, first.offset).split('\n');
  const what = printParseErrorCode(first.error)
    .replace(/([a-z])([A-Z])/g, '$1 $2')
    .toLowerCase();
  const place = `line ${before.length}, column ${(before.at(-1)?.length ?? 0) + 1}`;
  return first.offset >= body.trimEnd().length ? `ends in the middle, at ${place}` : `is not JSON: ${what} at ${place}`;
}

/**
 * The pointer of a key that stands twice in its object, or null. JSON.parse keeps the last silently, and
 * saving would then lose the other. Looking closely is slow and rarely needed: as long as there are no more
 * `":` in the text than keys in the value, no key was swallowed.
 */
function duplicateKey(body: string, value: unknown): string | null {
  if (countColons(body) === countKeys(value)) return null;
  const root = parseTree(body);
  return root ? duplicateIn(root, '') : null;
}

function duplicateIn(node: Node, pointer: string): string | null {
  const seen = new Set<string>();
  for (const [index, child] of (node.children ?? []).entries()) {
    const [key, inner] = node.type === 'object' ? (child.children ?? []) : [undefined, child];
    const name = key ? String(key.value) : String(index);
    const path = `${pointer}/${name.replaceAll('~', '~0').replaceAll('/', '~1')}`;
    if (key && seen.has(name)) return path;
    seen.add(name);
    const deeper = inner ? duplicateIn(inner, path) : null;
    if (deeper !== null) return deeper;
  }
  return null;
}

function countColons(body: string): number {
  let count = 0;
  for (let at = body.indexOf(':'); at !== -1; at = body.indexOf(':', at + 1)) {
    let before = at - 1;
    while (before >= 0 && isSpace(body.charCodeAt(before))) before -= 1;
    const escaped = body.charCodeAt(before - 1) === 0x5c; // a quotation mark inside a text
    if (body.charCodeAt(before) === 0x22 && !escaped) count += 1;
  }
  return count;
}

function isSpace(code: number): boolean {
  return code === 0x20 || code === 0x0a || code === 0x0d || code === 0x09;
}

function countKeys(value: unknown): number {
  if (typeof value !== 'object' || value === null) return 0;
  const counted = Array.isArray(value) ? 0 : 1;
  let count = 0;
  // for-in makes no list of keys: this runs over every byte that is read, at every start.
  for (const key in value) count += counted + countKeys(value[key as keyof typeof value]);
  return count;
}
