import { parseEnv } from 'node:util';
import type { Environment } from '../ground/provider.js';
import { FileError, type Files } from '../ports/files.js';

/** The real environment over the root's `.env`, which is read again when it has changed. */
export interface DotenvEnvironment {
  read(): Environment;
  /** Why `.env` cannot be read, or null. What it would have set is then missing. */
  trouble(): string | null;
}

export function dotenvEnvironment(files: Files, real: Environment): DotenvEnvironment {
  let known: { readonly signature: string; readonly environment: Environment } | null = null;
  let trouble: string | null = null;
  const readDotenv = (): Environment => {
    try {
      trouble = null;
      return parseEnv(files.read('.env'));
    } catch (error) {
      if (!(error instanceof FileError)) throw error;
      trouble = error.message;
      return {};
    }
  };
  return {
    read() {
      const listed = files.look('.env');
      const signature = !listed || listed.kind === 'other' ? '' : listed.signature;
      if (known?.signature === signature) return known.environment;
      known = { signature, environment: { ...(signature === '' ? {} : readDotenv()), ...real } };
      return known.environment;
    },
    trouble: () => trouble,
  };
}
