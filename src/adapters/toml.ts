import { parse } from 'smol-toml';

/** The value of a TOML text. Throws a TomlError that names the line. */
export function readToml(text: string): unknown {
  return parse(text);
}
