import { fileNameFor } from '../ground/file-name.js';
import { isRecord } from '../ground/problem.js';
import { secretOrNull } from '../ground/secret.js';
import type { Clock } from '../ports/clock.js';
import type { Digest } from '../ports/digest.js';
import type { Documents } from '../ports/documents.js';
import { FileError, type Files } from '../ports/files.js';
import type { Registration, Registrations } from '../ports/login.js';

const FOLDER = '.token-refresher/registrations';

/** `.token-refresher/registrations/ISSUER.json`, readable by the owner alone: a client may have a secret. */
export function registrationFiles(files: Files, documents: Documents, digest: Digest, clock: Clock): Registrations {
  const pathOf = (issuer: string): string => `${FOLDER}/${fileNameFor(issuer, digest)}.json`;
  const readFile = (path: string): unknown => {
    try {
      const parsed = documents.parse(files.read(path));
      return 'value' in parsed ? parsed.value : null;
    } catch (error) {
      if (error instanceof FileError) return null;
      throw error;
    }
  };
  return {
    of(issuer) {
      const found = readFile(pathOf(issuer));
      if (!isRecord(found) || found.issuer !== issuer || typeof found.client_id !== 'string') return null;
      const expires = found.client_secret_expires_at;
      const secretExpiresAt = typeof expires === 'number' ? expires : null;
      if (secretExpiresAt !== null && secretExpiresAt <= clock.now()) return null;
      const method = found.token_endpoint_auth_method;
      return {
        issuer,
        clientId: found.client_id,
        clientSecret: secretOrNull(found.client_secret),
        authMethod: method === 'client_secret_basic' || method === 'client_secret_post' ? method : 'none',
        secretExpiresAt,
        redirectUri: typeof found.redirect_uri === 'string' ? found.redirect_uri : null,
      };
    },
    keep: (registration) =>
      files.write(pathOf(registration.issuer), `${JSON.stringify(asFile(registration), null, 2)}\n`),
    forget: (issuer) => files.remove(pathOf(issuer)),
    async forgetClient(clientId) {
      for (const name of files.names(FOLDER)) {
        const found = name.endsWith('.json') ? readFile(`${FOLDER}/${name}`) : null;
        if (isRecord(found) && found.client_id === clientId) await files.remove(`${FOLDER}/${name}`);
      }
    },
  };
}

function asFile({ issuer, clientId, clientSecret, authMethod, secretExpiresAt, redirectUri }: Registration): object {
  return {
    issuer,
    client_id: clientId,
    ...(clientSecret && { client_secret: clientSecret.reveal() }),
    token_endpoint_auth_method: authMethod,
    ...(secretExpiresAt !== null && { client_secret_expires_at: secretExpiresAt }),
    redirect_uri: redirectUri,
  };
}
