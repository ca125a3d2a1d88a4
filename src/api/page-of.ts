/** As a request has it: numbers in text, which its schema has looked at. */
export interface PageQuery {
  readonly limit?: string;
  readonly offset?: string;
}

/** Some of many, and where the next ones begin; null when these are the last. */
export function pageOf<T>(
  items: readonly T[],
  { limit, offset }: PageQuery,
): { readonly items: readonly T[]; readonly next: number | null } {
  const begin = Number(offset ?? 0);
  const end = limit === undefined ? items.length : begin + Number(limit);
  return { items: items.slice(begin, end), next: end < items.length && end > begin ? end : null };
}
