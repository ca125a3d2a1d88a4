import { parseEnv } from 'node:util';
import type { Environment } from '../ground/provider.js';
import type { Files } from '../ports/files.js';

/** The real environment over the root's `.env`, which is read again when it has changed. */
export function dotenvEnvironment(files: Files, real: Environment): () => Environment {
  let known: { readonly signature: string; readonly environment: Environment } | null = null;
  return () => {
    const listed = files.look('.env');
    const signature = listed?.kind === 'file' ? listed.signature : '';
    if (known?.signature === signature) return known.environment;
    known = { signature, environment: { ...(signature === '' ? {} : readDotenv(files)), ...real } };
    return known.environment;
  };
}

function readDotenv(files: Files): Environment {
  try {
    return parseEnv(files.read('.env'));
  } catch {
    return {}; // not readable: what it would have set is then named as missing
  }
}
