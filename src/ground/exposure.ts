import { type Problem, warning } from './problem.js';
import { shellLine } from './rendering.js';

/** What is kept from others: by its permission bits alone, whatever folder it is in. */
export function exposure(file: string, mode: number | undefined, kind: 'file' | 'folder' = 'file'): Problem | null {
  if (mode === undefined) return null;
  // Into a folder that others may read they still cannot; one that they may write is theirs to fill.
  const [reads, writes] = [kind === 'file' && (mode & 0o044) !== 0, (mode & 0o022) !== 0];
  if (!reads && !writes) return null;
  const what = [reads ? 'read' : null, writes ? 'write' : null].filter((word) => word !== null).join(' and ');
  const bits = (mode & 0o777).toString(8).padStart(4, '0');
  const remedy = shellLine(['chmod', kind === 'file' ? '600' : '700', file]);
  return warning(file, '', `others may ${what} it (mode ${bits}); run: ${remedy}`);
}
