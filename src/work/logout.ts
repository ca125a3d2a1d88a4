import type { Listing } from '../ground/entry.js';
import { NO_HISTORY } from '../ground/history.js';
import { indexTokens, matchToken } from '../ground/matching.js';
import { DYNAMIC } from '../ground/recipe.js';
import type { Token } from '../ground/token.js';
import { FileError } from '../ports/files.js';
import type { Locks } from '../ports/locks.js';
import type { Registrations } from '../ports/login.js';
import type { BackupStore, HistoryStore, TokenStore } from '../ports/stores.js';
import type { World } from './load.js';

export interface LogoutParts {
  readonly store: TokenStore;
  /** The files on this machine's disk, where the tokens themselves are shared. */
  readonly ownStore: TokenStore | null;
  readonly histories: HistoryStore;
  readonly backups: BackupStore;
  readonly registrations: Registrations;
  readonly locks: Locks;
}

/**
 * Takes a token away for good, with every copy of it and with all that is remembered of it. Rejects (FileError) when it
 * cannot; what is left then is still a token, and can be taken away again.
 */
export type Logout = (token: Token, world: World) => Promise<void>;

/** Longer than a refresh of whoever holds the lock; seconds. */
const LOCK_PATIENCE = 90;

export function createLogout({ store, ownStore, histories, backups, registrations, locks }: LogoutParts): Logout {
  const remove = async (token: Token): Promise<void> => {
    const lock = await locks.acquire(token, LOCK_PATIENCE);
    if (!lock) throw new FileError('ELOCKED', 'is being refreshed by another process');
    try {
      // First what could bring it back.
      await backups.remove(token);
      await store.remove(token);
      await ownStore?.remove(token);
      const { imported, taken } = histories.read(token);
      await histories.remove(token);
      // Else the environment, which still has it, would bring it back.
      if (imported) await histories.note({ ...NO_HISTORY, ...nameOf(token), imported, ...(taken && { taken }) });
    } finally {
      await lock.release();
    }
  };

  return async (token, world) => {
    const copies = copiesOf(token, world);
    // Copies first: they would be taken for the token once it is gone.
    for (const one of [...copies, token]) await remove(one);
    const client = token.fields.client_id;
    if (token.fields.client_registration !== DYNAMIC || client === undefined) return;
    const isUsed = world.tokens.some(
      (other) => other !== token && other.fields.client_id === client && other.fields.client_registration === DYNAMIC,
    );
    if (!isUsed) await registrations.forgetClient(client);
  };
}

function nameOf({ name, file, at }: Token) {
  return { token: name, file, at };
}

/** Files that hold the same refresh token. */
export function copiesOf(token: Token, { copies }: World): readonly Token[] {
  return copies.flatMap(({ token: copy, of }) => (of.name === token.name ? [copy] : []));
}

/** The token that is called so, or that the server of this key uses; null when there is none. */
export function tokenCalled(name: string, world: World, listings: readonly Listing[]): Token | null {
  const listing = listings.find(({ key }) => key === name);
  const server = world.servers.find(({ file }) => file === listing?.file);
  const ofServer =
    server?.auth === 'oauth' ? matchToken({ ...server, key: name }, indexTokens(world.tokens)).token : null;
  const named = world.tokens.find((token) => token.name === name);
  return ofServer ?? named ?? world.tokens.find(({ file }) => file === listing?.file) ?? null;
}
