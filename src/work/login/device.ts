import { readBody } from '../../ground/answer.js';
import type { Authorization } from '../../ground/login.js';
import type { Exchange } from '../../ground/outcome.js';
import { foreignText } from '../../ground/secret.js';
import { readSeconds } from '../../ground/token.js';
import { type Found, LoginError } from './authorization.js';
import { clientFor } from './client.js';
import type { LoggedIn, LoginParts, LoginRequest } from './request.js';
import { type Answered, settle } from './settle.js';

const GRANT = 'urn:ietf:params:oauth:grant-type:device_code';
/** RFC 8628 section 3.2: where the server says nothing. */
const INTERVAL = 5;
const LIFETIME = 600;
/** RFC 8628 section 3.5: by so much more after each slow_down. */
const SLOWER = 5;

/** Shows a code, and waits until the person has typed it in elsewhere (RFC 8628). */
export async function loginByDevice(found: Found, request: LoginRequest, parts: LoginParts): Promise<LoggedIn> {
  const to = await clientFor(found, null, request, parts.ports);
  return parts.inFlight.run(async () => settle(request, to, await pollForToken(to, request, parts), parts));
}

/** The last answer, good or bad. */
async function pollForToken(
  to: Authorization,
  { signal, tell }: LoginRequest,
  { endpoint, clock }: LoginParts,
): Promise<Answered> {
  const resource: Record<string, string> = to.resource === null ? {} : { resource: to.resource };
  const asked = { ...(to.scope !== null && { scope: to.scope }), ...resource };
  const first = await endpoint.exchange({ ...to, endpoint: new URL(to.deviceEndpoint ?? '') }, asked);
  const begun = bodyOf(first);
  const { device_code, user_code, verification_uri, verification_url, verification_uri_complete } = begun;
  const address = verification_uri ?? verification_url; // the latter is Google's
  if (typeof device_code !== 'string' || typeof user_code !== 'string' || !isWebAddress(address)) {
    const said = typeof begun.error === 'string' ? foreignText(begun.error, [to.clientSecret]) : null;
    throw new LoginError(
      `${new URL(to.deviceEndpoint ?? '').host} gave no code: ${said ?? first.trouble ?? 'its answer makes no sense'}`,
    );
  }
  tell(`Open this address in a browser, on any device:\n\n  ${foreignText(address, [])}\n`);
  tell(`and enter this code:  ${foreignText(user_code, [])}\n`);
  if (isWebAddress(verification_uri_complete)) tell(`or open:  ${foreignText(verification_uri_complete, [], 2000)}\n`);
  tell('Waiting for you to log in there; Ctrl-C gives up.');

  const ends = clock.monotonic() + (readSeconds(begun.expires_in) ?? LIFETIME);
  let interval = Math.max(readSeconds(begun.interval) ?? INTERVAL, 0);
  for (;;) {
    await clock.sleep(Math.min(interval, Math.max(ends - clock.monotonic(), 1)), signal);
    if (signal.aborted) throw new LoginError('given up');
    if (clock.monotonic() > ends) throw new LoginError('nobody entered the code in time; log in again');
    const exchange = await endpoint.exchange(
      { ...to, endpoint: to.tokenEndpoint },
      { ...to.tokenParameters, ...resource, grant_type: GRANT, device_code },
    );
    const { error } = bodyOf(exchange);
    const status = exchange.answer?.status ?? 0;
    const away = error === undefined && (status >= 500 || status === 429);
    if (error === 'slow_down') interval += SLOWER;
    // RFC 8628 section 3.5: less often after a connection that timed out.
    else if (!exchange.answer?.complete || away) interval = Math.min(interval * 2 || INTERVAL, 60);
    else if (error === 'access_denied') throw new LoginError('the login was refused: access_denied');
    else if (error === 'expired_token') throw new LoginError('nobody entered the code in time; log in again');
    else if (error !== 'authorization_pending') return { exchange, sent: [device_code] };
  }
}

function isWebAddress(value: unknown): value is string {
  return typeof value === 'string' && /^https?:\/\//i.test(value);
}

function bodyOf({ answer }: Exchange): Readonly<Record<string, unknown>> {
  return readBody(answer?.body ?? '') ?? {};
}
