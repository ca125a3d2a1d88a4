import { type Authorization, authorizationUrl, readRedirect } from '../../ground/login.js';
import type { Clock } from '../../ports/clock.js';
import type { Listener, LoginPorts, Visit } from '../../ports/login.js';
import { type Found, LoginError } from './authorization.js';
import { clientFor } from './client.js';
import type { LoggedIn, LoginParts, LoginRequest } from './request.js';
import { settle } from './settle.js';

/** Seconds that a person has for the browser. */
const PATIENCE = 600;

/** Sends a browser to the provider and waits for it on this machine (RFC 8252 section 7.3, PKCE). */
export async function loginByBrowser(found: Found, request: LoginRequest, parts: LoginParts): Promise<LoggedIn> {
  const { ports, clock } = parts;
  const listener = await listen(found, request.redirectUri, ports);
  const over = AbortSignal.any([request.signal, deadline(clock, PATIENCE)]);
  try {
    const to = await clientFor(found, listener.redirectUri, request, ports);
    const { state, verifier, challenge } = await ports.secrets();
    const { redirectUri } = listener;
    const endpointUrl = new URL(to.authorizationEndpoint ?? '');
    const url = authorizationUrl(to, endpointUrl, { redirectUri, state, challenge });
    const opened = request.openBrowser && (await ports.browser.open(url));
    request.tell(`${opened ? 'Your browser has been sent to' : 'Open this address in a browser'}:\n\n  ${url.href}\n`);
    request.tell('Waiting for you to log in there; Ctrl-C gives up.');
    for (;;) {
      const visit = await listener.next(over);
      if (!visit)
        throw new LoginError(request.signal.aborted ? 'given up' : `nobody logged in within ${PATIENCE / 60} minutes`);
      const answer = readRedirect(visit.parameters, { state }, to);
      if (answer === 'foreign') {
        visit.reply(false, 'This is no answer to the login that token-refresher is waiting for.');
        continue;
      }
      const parameters = { grant_type: 'authorization_code', redirect_uri: redirectUri, code_verifier: verifier };
      return await answered(visit, async () => {
        if ('refusal' in answer) throw new LoginError(`the login was refused: ${answer.refusal}`);
        return parts.inFlight.run(() => redeem(request, to, { ...parameters, code: answer.code }, parts));
      });
    }
  } finally {
    await listener.close();
  }
}

/** The address of last time, for which a client is registered; a free one where it is taken. */
async function listen(
  found: Found,
  wanted: string | null,
  { registrations, loopback }: Pick<LoginPorts, 'registrations' | 'loopback'>,
): Promise<Listener> {
  const before = found.kind === 'no client' ? (registrations.of(found.at.issuer)?.redirectUri ?? null) : null;
  const listener = (await loopback.listen(wanted ?? before)) ?? (wanted === null ? await loopback.listen(null) : null);
  if (!listener) throw new LoginError(`another program listens at ${wanted}`);
  return listener;
}

async function redeem(
  request: LoginRequest,
  to: Authorization,
  parameters: Readonly<Record<'code' | 'code_verifier', string>> & Readonly<Record<string, string>>,
  parts: LoginParts,
): Promise<LoggedIn> {
  const resource = to.resource === null ? {} : { resource: to.resource };
  const exchange = await parts.endpoint.exchange(
    { ...to, endpoint: to.tokenEndpoint },
    { ...to.tokenParameters, ...resource, ...parameters },
  );
  return settle(request, to, { exchange, sent: [parameters.code, parameters.code_verifier] }, parts);
}

/** The person is told what became of it where the login was made. */
async function answered(visit: Visit, work: () => Promise<LoggedIn>): Promise<LoggedIn> {
  try {
    const result = await work();
    visit.reply(true, `You are logged in. ${result.name} is kept, and you can close this page.`);
    return result;
  } catch (error) {
    visit.reply(false, error instanceof LoginError ? error.message : 'The login failed; the terminal says more.');
    throw error;
  }
}

function deadline(clock: Clock, seconds: number): AbortSignal {
  const over = new AbortController();
  clock.sleep(seconds).then(() => over.abort());
  return over.signal;
}
