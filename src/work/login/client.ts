import type { Authorization } from '../../ground/login.js';
import { FileError } from '../../ports/files.js';
import type { LoginPorts, Registration } from '../../ports/login.js';
import { asClient, checked, type Found, LoginError, urlOf } from './authorization.js';
import type { LoginRequest } from './request.js';

/** The client to log in as: the one that was found, one registered before, or one registered just now. */
export async function clientFor(
  found: Found,
  redirectUri: string | null,
  request: LoginRequest,
  { discovery, registrations }: Pick<LoginPorts, 'discovery' | 'registrations'>,
): Promise<Authorization> {
  if (found.kind === 'client') return found.authorization;
  const { at, authorization } = found;
  const before = registrations.of(at.issuer);
  if (before && before.redirectUri === redirectUri) {
    return checked(asClient(authorization, before, { registered: true }), request);
  }
  if (at.registrationEndpoint === null) {
    const provider = request.world.providers.get(authorization.provider);
    const names = provider?.environment.client_id?.join(' or ') ?? null;
    const remedy = names === null ? `a client_id in a definition or in ${authorization.provider}'s token file` : names;
    throw new LoginError(`${at.issuer} registers no clients by itself; register one there, and set ${remedy}`);
  }
  urlOf(at.registrationEndpoint, 'registration endpoint', request);
  let made: Registration;
  try {
    made = await discovery.register(at, redirectUri, authorization.scope);
  } catch (error) {
    const why = error instanceof Error ? error.message.split('\n')[0] : String(error);
    throw new LoginError(`${at.issuer} refuses to register a client: ${why}`, { cause: error });
  }
  try {
    await registrations.keep(made);
  } catch (error) {
    if (!(error instanceof FileError)) throw error;
    throw new LoginError(`the file of the client that was registered ${error.message}`, { cause: error });
  }
  return checked(asClient(authorization, made, { registered: true }), request);
}
