import { parse } from 'smol-toml';
import { TemplateError } from '../ports/templates.js';

/** The value of a TOML text that a template made. Throws a TemplateError. */
export function readToml(text: string): unknown {
  try {
    return parse(text);
  } catch (error) {
    // The library's message goes on with the lines in question, tokens and all: only its first line is kept.
    const [first = ''] = error instanceof Error ? error.message.split('\n') : [];
    throw new TemplateError('', `its result is not TOML: ${first.replace('Invalid TOML document: ', '')}`);
  }
}
