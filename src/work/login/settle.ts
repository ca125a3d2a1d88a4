import { type Grant, judge, readBody, takeGrant } from '../../ground/answer.js';
import { type Authorization, joinScopes } from '../../ground/login.js';
import type { Exchange } from '../../ground/outcome.js';
import { DYNAMIC } from '../../ground/recipe.js';
import { Secret } from '../../ground/secret.js';
import { readToken, whyNoHeaderValue } from '../../ground/token.js';
import { FileError } from '../../ports/files.js';
import { isOfThere, LoginError } from './authorization.js';
import type { LoggedIn, LoginParts, LoginRequest } from './request.js';
import { fieldsAtFirst } from './target.js';

/** What came back, and what was sent for it. */
export interface Answered {
  readonly exchange: Exchange;
  /** Codes: a server may repeat them, and they are not shown. */
  readonly sent: readonly string[];
}

/** Judges the answer by the rules of a refresh, and keeps what it brings. */
export async function settle(
  request: LoginRequest,
  to: Authorization,
  { exchange, sent }: Answered,
  { ports: { registrations }, keep, clock }: LoginParts,
): Promise<LoggedIn> {
  const { target } = request;
  const { answer, trouble } = exchange;
  if (!answer?.complete)
    throw new LoginError(`${to.tokenEndpoint.host} gave no answer: ${trouble ?? 'it was cut off'}`);
  const grant = takeGrant(answer);
  const secrets = [to.clientSecret, grant?.access ?? null, grant?.refresh ?? null];
  const spent = sent.map((value) => new Secret(value));
  const failure = judge(answer, grant, [...secrets, ...spent], clock.now());
  if (failure?.code === 'invalid_client' && to.fields.client_registration !== undefined && to.issuer !== null) {
    await registrations.forget(to.issuer);
    throw new LoginError(`${failure.detail}; the client that was registered there is forgotten: log in again`);
  }
  if (failure) throw new LoginError(failure.detail);
  if (!grant?.access) throw new LoginError('the answer held no access token');
  const place = target.place(to.provider);
  const said = readBody(answer.body);
  const fields = {
    ...fieldsAtFirst(target, place.at.length === 0 ? to.provider : null),
    ...withoutOldClient(request, to, grant),
    ...to.fields,
    ...(grant.tokenType !== null && { token_type: grant.tokenType }),
    ...scopeField(said?.scope, to.scope),
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

/** RFC 6749 section 5.1: an answer that names none grants what was asked for. */
function scopeField(granted: unknown, asked: string | null): { readonly scope?: string } {
  const scope = typeof granted === 'string' ? joinScopes(granted) : asked;
  return scope === null ? {} : { scope };
}
