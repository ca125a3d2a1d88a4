/**
 * What stands under a name that somebody else chose: never what every object has by itself, as `constructor` and
 * `__proto__`. Names from files, flags, answers and environments are looked up with this, or in a Map.
 */
export function ownValue<T>(record: Readonly<Record<string, T>>, name: string): T | undefined {
  return Object.hasOwn(record, name) ? record[name] : undefined;
}
