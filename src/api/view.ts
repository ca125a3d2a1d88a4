import type { App } from '../daemon/app.js';
import { type BoardEntry, boardOf, scopeOf, userOf } from '../ground/board.js';
import type { World } from '../work/load.js';
import type { Surveyed } from '../work/survey.js';

/** What the last cycle found, kept ready for those who ask. */
export interface View {
  readonly world: World;
  readonly surveyed: readonly Surveyed[];
  /** Tokens that can be used now, as they are asked for. */
  board(): readonly BoardEntry[];
  /** The token of this scope or name; of a user's, where one is named. */
  find(asked: string, userId: string | null): Surveyed | null;
}

/** Gives the newest view: the same one until another cycle has ended. */
export function createView(app: App, namespace: string): { now(): View; ended(): void } {
  let view: View | null = null;
  const look = (): View => {
    const { world, surveyed } = app.look();
    const index = indexOf(surveyed);
    return {
      world,
      surveyed,
      board: () => boardOf(surveyed, namespace, app.clock.now()),
      find: (asked, userId) => index.get(`${userId ?? ''}\n${asked}`) ?? null,
    };
  };
  return {
    now() {
      view ??= look();
      return view;
    },
    ended() {
      view = null;
    },
  };
}

/** By user and scope or name; whoever names no user means an application's token first, then the only one there is. */
function indexOf(surveyed: readonly Surveyed[]): ReadonlyMap<string, Surveyed> {
  const index = new Map<string, Surveyed>();
  const add = (user: string | null, asked: string, one: Surveyed): void => {
    const key = `${user ?? ''}\n${asked}`;
    if (!index.has(key)) index.set(key, one);
  };
  for (const one of surveyed) add(userOf(one.token), one.token.name, one);
  for (const one of surveyed) add(userOf(one.token), scopeOf(one.token), one);
  for (const one of surveyed) add(null, one.token.name, one);
  // Of several users with one scope nobody can tell who is meant.
  const scopes = surveyed.map(({ token }) => scopeOf(token));
  for (const [n, one] of surveyed.entries()) {
    const scope = scopes[n] ?? '';
    if (scopes.indexOf(scope) === n && scopes.lastIndexOf(scope) === n) add(null, scope, one);
  }
  return index;
}
