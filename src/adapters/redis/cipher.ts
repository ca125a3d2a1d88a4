import { createCipheriv, createDecipheriv, createHash, randomBytes } from 'node:crypto';
import type { Secret } from '../../ground/secret.js';

/** Texts as they lie in Redis. */
export interface Cipher {
  /** `about` is bound to the text: one that is moved to another place cannot be read there. */
  lock(text: string, about: string): string;
  /** Throws (Error) with a reason for people. */
  unlock(locked: string, about: string): string;
}

const ALGORITHM = 'aes-256-gcm';
const IV_BYTES = 12; // NIST SP 800-38D section 8.2
const TAG_BYTES = 16;

/** AES-256-GCM; the first key locks, each of them unlocks. `v1.KEY.TEXT`, where KEY tells which one it was. */
export function createCipher(keys: readonly Secret[]): Cipher {
  const byId = new Map(
    keys.map((secret) => {
      const key = Buffer.from(secret.reveal(), 'base64');
      return [createHash('sha256').update(key).digest('hex').slice(0, 8), key];
    }),
  );
  const [first] = byId;
  if (!first) throw new Error('there is no key');
  const [firstId, firstKey] = first;
  return {
    lock(text, about) {
      const iv = randomBytes(IV_BYTES);
      const cipher = createCipheriv(ALGORITHM, firstKey, iv).setAAD(Buffer.from(about));
      const locked = Buffer.concat([iv, cipher.update(text, 'utf8'), cipher.final(), cipher.getAuthTag()]);
      return `v1.${firstId}.${locked.toString('base64')}`;
    },
    unlock(locked, about) {
      const [version, id = '', text = ''] = locked.split('.');
      const key = byId.get(id);
      if (version !== 'v1') throw new Error('is of a form that this version does not know');
      if (!key) throw new Error(`is encrypted with the key ${id}, which TOKEN_ENCRYPTION_KEY does not have`);
      try {
        const bytes = Buffer.from(text, 'base64');
        const decipher = createDecipheriv(ALGORITHM, key, bytes.subarray(0, IV_BYTES), { authTagLength: TAG_BYTES });
        decipher.setAAD(Buffer.from(about)).setAuthTag(bytes.subarray(-TAG_BYTES));
        return `${decipher.update(bytes.subarray(IV_BYTES, -TAG_BYTES), undefined, 'utf8')}${decipher.final('utf8')}`;
      } catch {
        throw new Error('was changed by somebody who does not have the key');
      }
    },
  };
}
