import { isRecord } from './problem.js';

/** Headers, or variables of the environment, as a definition has them. */
export interface NamedValues {
  readonly values: Readonly<Record<string, string>>;
  /** The names of those that it says itself are secret. */
  readonly secret: readonly string[];
  readonly wrong: readonly Misread[];
}

/** What cannot be understood: where, in the definition, and why. */
export interface Misread {
  readonly pointer: string;
  readonly message: string;
}

/** What one header, or one variable, is. */
interface Named {
  readonly name: string;
  /** Null for one that need not be there, and is not. */
  readonly value: string | null;
  readonly secret: boolean;
}

class Unclear extends Error {
  readonly pointer: string;

  constructor(pointer: string, message: string) {
    super(message);
    this.pointer = pointer;
  }
}

/** RFC 9110 section 5.6.2. */
const HEADER_NAME = /^[A-Za-z0-9!#$%&'*+.^_`|~-]+$/;
const VARIABLE_NAME = /^[^=\0\s]+$/;

/**
 * Reads a map, a list of maps, a list of names and values (as the official registry's server.json has them), or a list
 * of lines.
 */
export function readNamedValues(field: 'headers' | 'env', written: unknown): NamedValues {
  const isName = field === 'headers' ? HEADER_NAME : VARIABLE_NAME;
  const wrong: Misread[] = [];
  const values = new Map<string, string>();
  const secret = new Set<string>();
  for (const read of listed(written, `/${field}`)) {
    try {
      const { pointer, name, value, secret: isSecret } = read();
      if (!isName.test(name)) throw new Unclear(pointer, `is no name of a ${field === 'env' ? 'variable' : 'header'}`);
      if (value !== null) values.set(name, value);
      if (isSecret) secret.add(name);
    } catch (error) {
      if (!(error instanceof Unclear)) throw error;
      wrong.push({ pointer: error.pointer, message: error.message });
    }
  }
  return { values: Object.fromEntries(values), secret: [...secret], wrong };
}

type Placed = Named & { readonly pointer: string };

/** One for each that there is; reading it throws where it is unclear. */
function listed(written: unknown, pointer: string): (() => Placed)[] {
  if (written === undefined || written === null) return [];
  if (!Array.isArray(written)) return listedInObject(written, pointer);
  return written.flatMap((item: unknown, index) => {
    const at = `${pointer}/${index}`;
    return typeof item === 'string' ? [() => ({ ...line(item, at), pointer: at })] : listedInObject(item, at);
  });
}

function listedInObject(written: unknown, pointer: string): (() => Placed)[] {
  const refuse = (message: string) => [
    (): Placed => {
      throw new Unclear(pointer, message);
    },
  ];
  if (!isRecord(written)) return refuse('must be an object of names and values');
  const fields = withPlainNames(written);
  if (fields.size === 1 && fields.has('value')) return refuse('has a value and no name');
  const name = nameOfPair(fields);
  if (name !== null) return [() => ({ ...input(name, written, pointer), pointer })];
  return Object.entries(written).map(([key, value]) => () => {
    const at = `${pointer}/${key.replaceAll('~', '~0').replaceAll('/', '~1')}`;
    if (isRecord(value)) return { ...input(key, value, at), pointer: at };
    return { name: key, value: scalar(value, at), secret: false, pointer: at };
  });
}

/** `Authorization: Bearer X` or `NAME=X`. */
function line(text: string, pointer: string): Named {
  const [, name, value] = /^([^:=\s]+)\s*[:=]\s*(.*)$/s.exec(text) ?? [];
  if (name === undefined || value === undefined) throw new Unclear(pointer, 'must be a name and a value');
  return { name, value, secret: false };
}

const NAMES = ['name', 'key', 'header', 'headername', 'variable'];
const VALUES = ['value', 'headervalue', 'default'];
/** What the registry's format says of an input beside its name. */
const TRAITS = ['issecret', 'isrequired', 'secret', 'required', 'variables', 'format', 'choices', 'placeholder'];

/** The name that stands beside a value; null where the words are names themselves. */
function nameOfPair(fields: ReadonlyMap<string, unknown>): string | null {
  const key = NAMES.find((name) => typeof fields.get(name) === 'string');
  const has = (names: readonly string[]): boolean => names.some((name) => fields.has(name));
  // A header may be called "key"; none is called "name".
  return key === undefined || (key !== 'name' && !has(VALUES) && !has(TRAITS)) ? null : String(fields.get(key));
}

/** An input as the registry's format has them: with a value, a default, or one that the environment is to have. */
function input(name: string, written: Readonly<Record<string, unknown>>, pointer: string): Named {
  const fields = withPlainNames(written);
  const isOn = (...names: string[]): boolean => names.some((field) => fields.get(field) === true);
  const secret = isOn('issecret', 'secret');
  const given = VALUES.find((field) => fields.get(field) !== undefined && fields.get(field) !== null);
  if (given !== undefined) {
    const value = scalar(fields.get(given), `${pointer}/${given}`);
    const filled = withVariables(value, fields.get('variables'));
    return { name, value: filled.text, secret: secret || filled.secret };
  }
  if (secret || isOn('isrequired', 'required')) return { name, value: `\${${variableName(name)}}`, secret };
  if (!TRAITS.some((field) => fields.has(field))) throw new Unclear(`${pointer}/value`, 'is missing');
  return { name, value: null, secret };
}

/** `{name}` in a value stands for one of its variables; what that has no value for is the environment's. */
function withVariables(text: string, variables: unknown): { readonly text: string; readonly secret: boolean } {
  if (!isRecord(variables)) return { text, secret: false };
  let secret = false;
  const filled = text.replace(/\{([^{}]+)\}/g, (placeholder, name: string) => {
    const variable = Object.hasOwn(variables, name) ? variables[name] : undefined;
    if (!isRecord(variable)) return placeholder;
    const fields = withPlainNames(variable);
    secret ||= fields.get('issecret') === true;
    const value = fields.get('value') ?? fields.get('default');
    return typeof value === 'string' || typeof value === 'number' ? String(value) : `\${${variableName(name)}}`;
  });
  return { text: filled, secret };
}

/** The variable of the environment that an input of that name is looked for in. */
function variableName(name: string): string {
  return name
    .replace(/[^A-Za-z0-9_]+/g, '_')
    .replace(/^(?=\d)/, '_')
    .toUpperCase();
}

function withPlainNames(written: Readonly<Record<string, unknown>>): ReadonlyMap<string, unknown> {
  return new Map(Object.entries(written).map(([name, value]) => [name.toLowerCase().replace(/[_-]/g, ''), value]));
}

function scalar(value: unknown, pointer: string): string {
  if (typeof value === 'string') return value;
  if (typeof value === 'number' || typeof value === 'boolean') return String(value);
  throw new Unclear(pointer, 'must be a text');
}
