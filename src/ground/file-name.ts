const LONGEST = 150;

/** A file name for any text, the same for the same text and another for another; `digest` shortens long ones. */
export function fileNameFor(text: string, digest: (text: string) => string): string {
  const safe = encodeURIComponent(text).replaceAll('*', '%2A');
  if (safe.length <= LONGEST && !safe.startsWith('.')) return safe;
  return `${safe.replace(/^\.+/, '').slice(0, LONGEST / 2)}-${digest(text).slice(0, 16)}`;
}
