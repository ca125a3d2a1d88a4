import type { Result } from '../work/refresh.js';

/** How often what became of a token, since the process was started. */
export interface Tally {
  add(token: string, result: Result | Error): void;
  counts(): readonly { readonly token: string; readonly outcome: string; readonly count: number }[];
}

export function createTally(): Tally {
  const tokens = new Map<string, Map<string, number>>();
  return {
    add(token, result) {
      const outcome =
        result instanceof Error ? 'error' : result.outcome === 'failed' ? result.failure.kind : result.outcome;
      const counts = tokens.get(token) ?? new Map<string, number>();
      tokens.set(token, counts.set(outcome, (counts.get(outcome) ?? 0) + 1));
    },
    counts() {
      return [...tokens].flatMap(([token, counts]) =>
        [...counts].map(([outcome, count]) => ({ token, outcome, count })),
      );
    },
  };
}
