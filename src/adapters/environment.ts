import { readDotenv } from '../ground/dotenv.js';
import { exposure } from '../ground/exposure.js';
import { type Problem, problem, warning } from '../ground/problem.js';
import type { Environment } from '../ground/provider.js';
import { FileError, type Files, type Listed } from '../ports/files.js';

/** The real environment over the root's `.env`, which is read again when it has changed. */
export interface DotenvEnvironment {
  read(): Environment;
  /** What of `.env` cannot be read. What that would have set is missing. */
  problems(): readonly Problem[];
}

const FILE = '.env';
/** Bytes; nobody's is longer. */
const LARGEST = 1024 * 1024;
const MOST_TOLD = 20;

export function dotenvEnvironment(files: Files, real: Environment): DotenvEnvironment {
  let known: { readonly signature: string; readonly environment: Environment } | null = null;
  let problems: readonly Problem[] = [];
  const readValues = ({ size }: Listed): Environment => {
    if (size > LARGEST) {
      problems = [problem(FILE, '', 'is more than 1 MB, and is not read')];
      return {};
    }
    try {
      const { values, troubles } = readDotenv(files.read(FILE));
      const told = troubles.slice(0, MOST_TOLD).map(({ line, message, severity }) => {
        return (severity === 'error' ? problem : warning)(FILE, '', `line ${line}: ${message}`);
      });
      const more = troubles.length - told.length;
      problems = more > 0 ? [...told, warning(FILE, '', `${more} more lines are like these`)] : told;
      return values;
    } catch (error) {
      if (!(error instanceof FileError)) throw error;
      problems = [problem(FILE, '', error.message)];
      return {};
    }
  };
  return {
    read() {
      const listed = files.look(FILE);
      const signature = !listed || listed.kind === 'other' ? '' : listed.signature;
      if (known?.signature === signature) return known.environment;
      problems = [];
      const values = listed && signature !== '' ? readValues(listed) : {};
      const open = listed?.kind === 'file' ? exposure(FILE, listed.mode) : null;
      if (open) problems = [...problems, open];
      known = { signature, environment: { ...values, ...real } };
      return known.environment;
    },
    problems: () => problems,
  };
}
