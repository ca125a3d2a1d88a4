import type { Publication, PublishedToken } from '../../ports/publication.js';
import type { RedisLink } from './link.js';

/**
 * Tokens under their keys in Redis, and the set of those keys. What could not be written is written when Redis is
 * back: the newest state only, as nobody asks for an older one.
 */
export function redisPublication(link: RedisLink, namespace: string): Publication {
  const active = `${namespace}tokens:active`;
  let wanted: readonly PublishedToken[] | null = null;
  let written = new Map<string, string>();
  let working: Promise<void> | null = null;
  let again = false;

  const write = async (tokens: readonly PublishedToken[]): Promise<void> => {
    const next = new Map(tokens.map(({ key, value }) => [key, value]));
    const known = await link.send<string[]>('SMEMBERS', active);
    for (const { key, value, expiresOn } of tokens) {
      const there = written.get(key) === value && known.includes(key) && (await link.send<number>('EXISTS', key)) === 1;
      if (there) continue;
      const end = expiresOn === null ? [] : ['EXAT', String(expiresOn)];
      await link.send('SET', key, value, ...end);
      await link.send('SADD', active, key);
    }
    for (const key of written.keys()) if (!next.has(key)) await link.send('DEL', key);
    // Expired ones, whoever has put them there.
    for (const key of known) {
      if (!next.has(key) && (await link.send<number>('EXISTS', key)) === 0) await link.send('SREM', active, key);
    }
    written = next;
  };

  const work = (): void => {
    if (!link.connected || wanted === null) return;
    again = true;
    working ??= (async () => {
      while (again && wanted) {
        again = false;
        // When it fails, Redis is away: the next connection begins anew.
        await write(wanted).catch(() => written.clear());
      }
      working = null;
    })();
  };

  link.onConnected(() => {
    written.clear();
    work();
  });
  return {
    publish(tokens) {
      wanted = tokens;
      work();
    },
    get connected() {
      return link.connected;
    },
    async settled(seconds) {
      if (await link.reached(seconds)) {
        work();
        await working;
      }
    },
    close: () => link.close(),
  };
}
