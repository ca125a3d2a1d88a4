/** The folder that all a glob matches is below, with a slash at its end; empty for the root. */
export function globBase(glob: string): string {
  return /^((?:[^*?{[(!+@/]+\/)*)/.exec(glob)?.[1] ?? '';
}
