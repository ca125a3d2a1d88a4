import type { Authorization } from '../../ground/login.js';
import { foreignText } from '../../ground/secret.js';
import { FileError } from '../../ports/files.js';
import type { Discovered, LoginPorts, Registration } from '../../ports/login.js';
import { asClient, checked, type Found, LoginError, urlOf } from './authorization.js';
import type { LoginRequest } from './request.js';

/** Characters of a refusal. */
const LONGEST = 300;

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
    throw new LoginError(
      `${at.issuer} registers no clients by itself; ${remedyFor(at, authorization.provider, request)}`,
    );
  }
  urlOf(at.registrationEndpoint, 'registration endpoint', request);
  let made: Registration;
  try {
    made = await discovery.register(at, redirectUri, authorization.scope);
  } catch (error) {
    const why = foreignText(error instanceof Error ? error.message : String(error), [], LONGEST);
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

function remedyFor({ issuer }: Discovered, name: string, { world, target }: LoginRequest): string {
  const { server } = target;
  const provider = world.providers.get(name) ?? null;
  const names = provider?.environment.client_id?.join(' or ') ?? null;
  if (names !== null) return `register one there, and set ${names}`;
  // It is for the user to say whom their client is for, not for the server.
  const known = [...world.providers.values()].find((one) => one.issuer === issuer);
  if (known && server) return `to log in as your client there, add "auth_provider": "${known.name}" to ${server.file}`;
  const place = server ? `, and its definition's name as "auth_provider" in ${server.file}` : '';
  return `register one there, and set a client_id in a definition${place}, or in ${name}'s token file`;
}
