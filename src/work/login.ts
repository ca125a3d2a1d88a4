import { type Grant, judge, takeGrant } from '../ground/answer.js';
import { type Authorization, authorizationUrl, joinScopes, readRedirect } from '../ground/login.js';
import type { Exchange } from '../ground/outcome.js';
import { isRecord } from '../ground/problem.js';
import { DYNAMIC } from '../ground/recipe.js';
import { Secret } from '../ground/secret.js';
import { readToken, whyNoHeaderValue } from '../ground/token.js';
import type { Clock } from '../ports/clock.js';
import type { TokenEndpoint } from '../ports/endpoint.js';
import { FileError } from '../ports/files.js';
import type { Listener, LoginPorts, Registration, Visit } from '../ports/login.js';
import { asClient, checked, type Found, findAuthorization, isOfThere, LoginError, urlOf } from './authorization.js';
import { pollForToken } from './device-login.js';
import type { Keep } from './keep.js';
import type { World } from './load.js';
import { fieldsAtFirst, type LoginTarget, whyNoPlace } from './login-target.js';

export interface LoginRequest {
  readonly target: LoginTarget;
  readonly world: World;
  /** By a code that is typed in on another device (RFC 8628). */
  readonly device: boolean;
  /** In place of those that the server or the definition ask for. */
  readonly scope: string | null;
  /** The address that the client was registered with, where it is a certain one; a loopback one. */
  readonly redirectUri: string | null;
  readonly openBrowser: boolean;
  readonly allowHttp: boolean;
  readonly signal: AbortSignal;
  readonly tell: (message: string) => void;
}

export interface LoggedIn {
  readonly name: string;
  readonly file: string;
  /** Seconds; null when the answer does not tell. */
  readonly expiresIn: number | null;
  readonly renewable: boolean;
  /** Why clients will not be given it; null when they will. */
  readonly trouble: string | null;
}

/** Logs a person in and keeps the token. Rejects with a LoginError; then nothing has been written. */
export type Login = (request: LoginRequest) => Promise<LoggedIn>;

export interface LoginParts {
  readonly ports: LoginPorts;
  readonly endpoint: TokenEndpoint;
  readonly keep: Keep;
  readonly clock: Clock;
}

/** Seconds that a person has for the browser. */
const PATIENCE = 600;

export function createLogin({ ports, endpoint, keep, clock }: LoginParts): Login {
  const { discovery, registrations, loopback, browser, secrets } = ports;

  /** A client registered before, or just now. */
  const registered = async (
    { at, authorization }: Found & { kind: 'no client' },
    redirectUri: string | null,
    request: LoginRequest,
  ): Promise<Authorization> => {
    const before = registrations.of(at.issuer);
    if (before && before.redirectUri === redirectUri) {
      return checked(asClient(authorization, before, { registered: true }), request);
    }
    if (at.registrationEndpoint === null) {
      const provider = request.world.providers.get(authorization.provider);
      const names = provider?.environment.client_id?.join(' or ') ?? null;
      const remedy =
        names === null ? `a client_id in a definition or in ${authorization.provider}'s token file` : names;
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
  };

  /** The address of last time, for which a client is registered; a free one where it is taken. */
  const listen = async (found: Found, wanted: string | null): Promise<Listener> => {
    const before = found.kind === 'no client' ? (registrations.of(found.at.issuer)?.redirectUri ?? null) : null;
    const listener =
      (await loopback.listen(wanted ?? before)) ?? (wanted === null ? await loopback.listen(null) : null);
    if (!listener) throw new LoginError(`another program listens at ${wanted}`);
    return listener;
  };

  const byBrowser = async (found: Found, request: LoginRequest): Promise<LoggedIn> => {
    const listener = await listen(found, request.redirectUri);
    const over = AbortSignal.any([request.signal, deadline(clock, PATIENCE)]);
    try {
      const to = found.kind === 'client' ? found.authorization : await registered(found, listener.redirectUri, request);
      const { state, verifier, challenge } = await secrets();
      const { redirectUri } = listener;
      const endpointUrl = new URL(to.authorizationEndpoint ?? '');
      const url = authorizationUrl(to, endpointUrl, { redirectUri, state, challenge });
      const opened = request.openBrowser && (await browser.open(url));
      request.tell(
        `${opened ? 'Your browser has been sent to' : 'Open this address in a browser'}:\n\n  ${url.href}\n`,
      );
      request.tell('Waiting for you to log in there; Ctrl-C gives up.');
      for (;;) {
        const visit = await listener.next(over);
        if (!visit)
          throw new LoginError(
            request.signal.aborted ? 'given up' : `nobody logged in within ${PATIENCE / 60} minutes`,
          );
        const answer = readRedirect(visit.parameters, { state }, to);
        if (answer === 'foreign') {
          visit.reply(false, 'This is no answer to the login that token-refresher is waiting for.');
          continue;
        }
        const parameters = { grant_type: 'authorization_code', redirect_uri: redirectUri, code_verifier: verifier };
        return await answered(visit, async () => {
          if ('refusal' in answer) throw new LoginError(`the login was refused: ${answer.refusal}`);
          return redeem(request, to, { ...parameters, code: answer.code });
        });
      }
    } finally {
      await listener.close();
    }
  };

  const byDevice = async (found: Found, request: LoginRequest): Promise<LoggedIn> => {
    const to = found.kind === 'client' ? found.authorization : await registered(found, null, request);
    const [exchange, code] = await pollForToken(to, { endpoint, clock, signal: request.signal, tell: request.tell });
    return settle(request, to, exchange, [code]);
  };

  const redeem = async (
    request: LoginRequest,
    to: Authorization,
    parameters: Readonly<Record<string, string>>,
  ): Promise<LoggedIn> => {
    const resource = to.resource === null ? {} : { resource: to.resource };
    const exchange = await endpoint.exchange(
      { ...to, endpoint: to.tokenEndpoint },
      { ...to.tokenParameters, ...resource, ...parameters },
    );
    return settle(request, to, exchange, [parameters.code, parameters.code_verifier]);
  };

  /** Judges the answer and keeps what it brings. */
  const settle = async (
    request: LoginRequest,
    to: Authorization,
    exchange: Exchange,
    sent: readonly (string | undefined)[],
  ): Promise<LoggedIn> => {
    const { target } = request;
    const { answer, trouble } = exchange;
    if (!answer?.complete)
      throw new LoginError(`${to.tokenEndpoint.host} gave no answer: ${trouble ?? 'it was cut off'}`);
    const grant = takeGrant(answer);
    const secrets = [to.clientSecret, grant?.access ?? null, grant?.refresh ?? null];
    const spent = sent.flatMap((value) => (value ? [new Secret(value)] : []));
    const failure = judge(answer, grant, [...secrets, ...spent], clock.now());
    if (failure?.code === 'invalid_client' && to.fields.client_registration !== undefined && to.issuer !== null) {
      await registrations.forget(to.issuer);
      throw new LoginError(`${failure.detail}; the client that was registered there is forgotten: log in again`);
    }
    if (failure) throw new LoginError(failure.detail);
    if (!grant?.access) throw new LoginError('the answer held no access token');
    const place = target.place(to.provider);
    const said = bodyOf(answer.body);
    const fields = {
      ...fieldsAtFirst(target, place.at.length === 0 ? to.provider : null),
      ...withoutOldClient(request, to, grant),
      ...to.fields,
      ...(grant.tokenType !== null && { token_type: grant.tokenType }),
      ...scopeField(said.scope, to.scope),
    };
    try {
      await keep({ ...place, wanted: target.token?.wanted ?? null }, { ...grant, fields });
    } catch (error) {
      if (!(error instanceof FileError)) throw error;
      throw new LoginError(`${place.file} ${error.message}; the token is lost, log in again`, { cause: error });
    }
    const { unrenderable } = readToken(place, { ...fields, access_token: grant.access.reveal() }, null);
    return {
      name: place.name,
      file: place.file,
      expiresIn: grant.expiresIn,
      renewable: grant.refresh !== null,
      trouble: unrenderable ?? whyNoHeaderValue(grant.access.reveal()),
    };
  };

  return async (request) => {
    const found = await findAuthorization(request.target, request.world, discovery, request);
    const { target, world } = request;
    const { provider } = found.authorization;
    const why = target.token ? null : whyNoPlace(target.place(provider), provider, world);
    if (why !== null) throw new LoginError(why);
    return request.device ? byDevice(found, request) : byBrowser(found, request);
  };
}

/** What the file says of an earlier client, and a refresh token of that one's, must not be sent to another server. */
function withoutOldClient(request: LoginRequest, to: Authorization, { refresh }: Grant): Record<string, unknown> {
  const { token } = request.target;
  if (!token) return {};
  const names = ['client_id', 'client_secret', 'token_endpoint', 'token_endpoint_auth_method', 'client_registration'];
  const old = token.fields.client_registration === DYNAMIC ? names : [];
  return {
    ...Object.fromEntries(old.map((name) => [name, undefined])),
    ...(token.refresh && !refresh && !isOfThere(token, to, request.world, request) && { refresh_token: null }),
  };
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

function bodyOf(body: string): Readonly<Record<string, unknown>> {
  try {
    const document: unknown = JSON.parse(body.replace(/^\uFEFF/, ''));
    return isRecord(document) ? document : {};
  } catch {
    return {};
  }
}

/** RFC 6749 section 5.1: an answer that names none grants what was asked for. */
function scopeField(granted: unknown, asked: string | null): { readonly scope?: string } {
  const scope = typeof granted === 'string' ? joinScopes(granted) : asked;
  return scope === null ? {} : { scope };
}
