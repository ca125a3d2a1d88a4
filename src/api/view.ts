import type { App } from '../daemon/app.js';
import { type BoardEntry, boardOf, scopeOf, userOf } from '../ground/board.js';
import type { Token } from '../ground/token.js';
import type { World } from '../work/load.js';
import type { Surveyed } from '../work/survey.js';

/** What the last cycle found, and what has been refreshed since, kept ready for those who ask. */
export interface View {
  readonly world: World;
  readonly surveyed: readonly Surveyed[];
  /** Tokens that can be used now, as they are asked for. */
  board(): readonly BoardEntry[];
  /** The token of this scope or name; of a user's, where one is named. */
  find(asked: string, userId: string | null): Surveyed | null;
}

/** Gives the newest view. What one token costs does not depend on how many others there are. */
export interface Views {
  now(): View;
  /** A cycle has found this. */
  found(cycle: Pick<View, 'world' | 'surveyed'>): void;
  /** Everything as it is now, after another look. */
  anew(): View;
  /** One token as it is now, by itself; null when it is gone. */
  again(one: Surveyed): Promise<Surveyed | null>;
}

export function createViews(app: App, namespace: string): Views {
  let world: World | null = null;
  let surveyed: Surveyed[] = [];
  /** Lasts for as long as the tokens are called so. */
  let index: Index | null = null;
  /** What has been looked at since the last cycle, which may have begun before. */
  const recent = new Map<string, Surveyed>();
  let board: { readonly entries: readonly BoardEntry[]; readonly until: number } | null = null;

  const take = (found: Pick<View, 'world' | 'surveyed'>): void => {
    world = found.world;
    surveyed = recent.size === 0 ? [...found.surveyed] : found.surveyed.map((one) => newer(one, recent));
    recent.clear();
    board = null;
    if (index && !isSame(index.tokens, surveyed)) index = null;
  };
  const indexed = (): Index => {
    index ??= indexOf(surveyed);
    return index;
  };
  const view = (of: World): View => ({
    world: of,
    surveyed,
    board() {
      const now = app.clock.now();
      if (board && now < board.until) return board.entries;
      const entries = boardOf(surveyed, namespace, now);
      board = { entries, until: firstOf(entries) };
      return entries;
    },
    find: (asked, userId) => surveyed[indexed().positions.get(keyOf(userId, asked)) ?? -1] ?? null,
  });
  const anew = (): View => {
    const found = app.look();
    recent.clear();
    take(found);
    return view(found.world);
  };

  return {
    now: () => (world ? view(world) : anew()),
    anew,
    found: take,
    async again(one) {
      const now = world && (await app.lookAt(one.token, world));
      // Gone, or being replaced: a look at everything tells which.
      if (!now) return anew().find(one.token.name, userOf(one.token));
      const position = indexed().positions.get(keyOf(userOf(one.token), one.token.name)) ?? -1;
      if (surveyed[position]?.token.name !== now.token.name) return now;
      surveyed[position] = now;
      recent.set(now.token.name, now);
      board = null;
      if (!isCalledAlike(one.token, now.token)) index = null;
      return now;
    },
  };
}

function newer(one: Surveyed, recent: ReadonlyMap<string, Surveyed>): Surveyed {
  const other = recent.get(one.token.name);
  return other && other.history.generation > one.history.generation ? other : one;
}

interface Index {
  /** Where a token stands, by user and scope or name. */
  readonly positions: ReadonlyMap<string, number>;
  readonly tokens: readonly Token[];
}

/** Whoever names no user means an application's token first, then the only one there is. */
function indexOf(surveyed: readonly Surveyed[]): Index {
  const positions = new Map<string, number>();
  const tokens = surveyed.map(({ token }) => token);
  const add = (user: string | null, asked: string, position: number): void => {
    const key = keyOf(user, asked);
    if (!positions.has(key)) positions.set(key, position);
  };
  const scopes = tokens.map(scopeOf);
  const holders = new Map<string, number>();
  for (const scope of scopes) holders.set(scope, (holders.get(scope) ?? 0) + 1);
  for (const [position, token] of tokens.entries()) add(userOf(token), token.name, position);
  for (const [position, token] of tokens.entries()) add(userOf(token), scopes[position] ?? '', position);
  for (const [position, token] of tokens.entries()) add(null, token.name, position);
  // Of several users with one scope nobody can tell who is meant.
  for (const [position, scope] of scopes.entries()) if (holders.get(scope) === 1) add(null, scope, position);
  return { positions, tokens };
}

/** Most cycles find the tokens that there were, and most others change one of them. */
function isSame(tokens: readonly Token[], surveyed: readonly Surveyed[]): boolean {
  return (
    tokens.length === surveyed.length &&
    surveyed.every(({ token }, position) => {
      const before = tokens[position];
      return before !== undefined && (before === token || isCalledAlike(before, token));
    })
  );
}

function isCalledAlike(a: Token, b: Token): boolean {
  return a.name === b.name && scopeOf(a) === scopeOf(b) && userOf(a) === userOf(b);
}

function keyOf(user: string | null, asked: string): string {
  return `${user ?? ''}\n${asked}`;
}

/** When the first of them ends; epoch seconds. */
function firstOf(entries: readonly BoardEntry[]): number {
  let first = Number.POSITIVE_INFINITY;
  for (const { expiresAt } of entries) if (expiresAt !== null && expiresAt < first) first = expiresAt;
  return first;
}
