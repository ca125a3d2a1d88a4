import type { Condition } from './daemon.js';

/** How the daemon was at a time of the soak. */
export interface Sample extends Condition {
  /** Seconds since the soak began. */
  readonly at: number;
}

const QUARTER = 900;
/** Bytes that the heap may differ by without anything having leaked: compiled code comes and goes. */
const HEAP_NOISE = 1024 * 1024;
/** The allocator gives pages back when it likes. */
const RESIDENT_NOISE = 16 * 1024 * 1024;

/**
 * Flat is: in the last quarter of an hour there is a moment with no more handles, timers and descriptors than there
 * were at some moment of the second one, and no more memory, but for noise, than at the best moment of that. What has
 * leaked is there at every moment. The first quarter is for warming up.
 */
export function unevenness(samples: readonly Sample[]): string[] {
  const end = samples.at(-1)?.at ?? 0;
  const second = samples.filter(({ at }) => at > QUARTER && at <= 2 * QUARTER);
  const last = samples.filter(({ at }) => at > end - QUARTER);
  if (second.length < 2 || last.length < 2 || end < 4 * QUARTER) return ['too few samples'];
  const risen = (what: string, of: (sample: Sample) => number, pick: typeof Math.min, noise: number): string[] => {
    const [before, after] = [pick(...second.map(of)), Math.min(...last.map(of))];
    return after > before + noise ? [`${what}: ${before} in the second quarter, ${after} in the last one`] : [];
  };
  return [
    ...kindsOf(samples).flatMap((kind) => risen(kind, ({ resources }) => resources[kind] ?? 0, Math.max, 0)),
    ...risen('descriptors', ({ descriptors }) => descriptors, Math.max, 0),
    ...risen('bytes of heap', ({ heap }) => heap, Math.min, HEAP_NOISE),
    ...risen('bytes resident', ({ resident }) => resident, Math.min, RESIDENT_NOISE),
  ];
}

function kindsOf(samples: readonly Sample[]): string[] {
  return [...new Set(samples.flatMap(({ resources }) => Object.keys(resources)))].sort();
}

const mega = (bytes: number): string => (bytes / 1e6).toFixed(2);

/** Samples as rows for people. */
export function sampleRows(samples: readonly Sample[]): string[][] {
  const kinds = kindsOf(samples);
  return [
    ['minute', 'resident MB', 'heap MB', 'descriptors', ...kinds],
    ...samples.map(({ at, resident, heap, descriptors, resources }) => [
      (at / 60).toFixed(1),
      mega(resident),
      mega(heap),
      String(descriptors),
      ...kinds.map((kind) => String(resources[kind] ?? 0)),
    ]),
  ];
}

export function table(rows: readonly (readonly string[])[]): string {
  const widths = rows[0]?.map((_, column) => Math.max(...rows.map((row) => row[column]?.length ?? 0))) ?? [];
  return rows
    .map((row) =>
      row
        .map((cell, column) => cell.padEnd(widths[column] ?? 0))
        .join('  ')
        .trimEnd(),
    )
    .join('\n');
}
