import { exposure } from '../ground/exposure.js';
import { type Problem, problemLine } from '../ground/problem.js';
import type { Files, Listed } from '../ports/files.js';

export interface ExposureParts {
  readonly files: Files;
  /** The log's path, relative to the root, and how many older ones there may be; null for none. */
  readonly log: { readonly path: string; readonly files: number } | null;
  /** Whether the outputs hold tokens. */
  readonly outputsHoldTokens: boolean;
  readonly outputs: () => ReadonlySet<string>;
}

/** Seconds between two looks while all is well. */
const INTERVAL = 60;
const TOKENS = '.oauth-tokens';
const STATE = '.token-refresher';

/**
 * Files with secrets that others may read or write and that nothing else looks at all the time: keys, what is remembered,
 * the twins of token files for people, the log. The same list as before while nothing has changed.
 */
export function createExposures(parts: ExposureParts): (now: number) => readonly Problem[] {
  let lookedAt = Number.NEGATIVE_INFINITY;
  let found: readonly Problem[] = [];
  return (now) => {
    if (found.length === 0 && now < lookedAt + INTERVAL) return found;
    lookedAt = now;
    const next = look(parts);
    if (next.map(problemLine).join('\n') !== found.map(problemLine).join('\n')) found = next;
    return found;
  };
}

function look({ files, log, outputsHoldTokens, outputs }: ExposureParts): Problem[] {
  const problems: Problem[] = [];
  const check = (path: string, ...kinds: readonly Listed['kind'][]): Listed | null => {
    const listed = files.look(path);
    const { kind } = listed ?? {};
    if (!listed || (kind !== 'file' && kind !== 'folder') || !kinds.includes(kind)) return listed;
    const problem = exposure(path, listed.mode, kind);
    if (problem) problems.push(problem);
    return listed;
  };
  check(TOKENS, 'folder');
  const state = check(STATE, 'folder');
  const inside = files.names(STATE).map((name) => check(`${STATE}/${name}`, 'file'));
  // Nobody gets to what is deeper while the folder is closed.
  if (((state?.mode ?? 0) & 0o077) !== 0) {
    for (const { path } of inside.filter((one) => one?.kind === 'folder') as readonly Listed[]) {
      for (const name of files.names(path)) check(`${path}/${name}`, 'file');
    }
  }
  const rendered = outputsHoldTokens ? outputs() : new Set();
  for (const name of files.names(TOKENS)) {
    if (name.includes('readable') || rendered.has(name)) check(`${TOKENS}/${name}`, 'file');
  }
  if (log) {
    const older = Array.from({ length: Math.max(0, log.files - 1) }, (_, n) => `${log.path}.${n + 1}`);
    for (const path of [log.path, ...older]) check(path, 'file');
  }
  return problems;
}
