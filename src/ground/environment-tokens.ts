import { readMoment } from './moment.js';
import { cleanToken } from './pasted.js';
import { type Environment, environmentNames, fieldFromEnvironment, type Provider } from './provider.js';
import { type Secret, secretOrNull } from './secret.js';
import type { Token } from './token.js';

/** A user's tokens that somebody has put into the environment, by the names that a provider's definition has for them. */
export interface EnvironmentToken {
  readonly provider: string;
  /** The name, file and place that it belongs under. */
  readonly name: string;
  readonly file: string;
  readonly at: readonly string[];
  readonly access: Secret | null;
  readonly refresh: Secret | null;
  /** Epoch seconds; null when nothing is said. */
  readonly expiresAt: number | null;
  /** What is wrong with what the environment says of it; null when nothing is. */
  readonly trouble: string | null;
  /** The names it was found under. */
  readonly names: readonly string[];
}

/** The user of a store whose tokens nobody has given another name. */
const DEFAULT_USER = 'user_default';

export function environmentTokens(
  providers: Iterable<Provider>,
  environment: Environment,
): readonly EnvironmentToken[] {
  const found: EnvironmentToken[] = [];
  for (const provider of providers) {
    const field = (name: string): string | null => fieldFromEnvironment(name, provider, environment);
    // Not every reader of .env files takes the quotes away.
    const access = secretOrNull(cleanToken(field('access_token') ?? ''));
    const refresh = secretOrNull(cleanToken(field('refresh_token') ?? ''));
    if (!access && !refresh) continue;
    found.push({
      ...placeOf(provider.name, provider, environment),
      provider: provider.name,
      access,
      refresh,
      expiresAt: readMoment(field('expires_at'))?.at ?? null,
      trouble:
        field('expires_at') !== null && !readMoment(field('expires_at'))
          ? `${provider.environment.expires_at?.join(' or ')} is not a time: epoch seconds or ISO 8601 are wanted`
          : null,
      names: ['access_token', 'refresh_token', 'expires_at', 'user_id']
        .filter((name) => field(name) !== null)
        .flatMap((name) => environmentNames(name, provider)),
    });
  }
  return found;
}

/** Where a user's token of a provider is kept: in its store when it has users, else in a file of its own. */
export function placeOf(
  name: string,
  provider: Provider | null,
  environment: Environment,
): Pick<Token, 'name' | 'file' | 'at'> {
  const stem = fileStemOf(name);
  if (provider?.environment.user_id === undefined) return { name, file: `.oauth-tokens/${stem}.json`, at: [] };
  const user = fieldFromEnvironment('user_id', provider, environment) ?? DEFAULT_USER;
  return { name: `${name}:${user}`, file: `.${stem}_tokens.json`, at: ['user_tokens', user] };
}

/** The one in the environment that is another than the one stored. */
export function otherInEnvironment(token: Token, from: readonly EnvironmentToken[]): EnvironmentToken | null {
  const found = from.find(({ name }) => name === token.name);
  return found && !sameToken(token, found) ? found : null;
}

/** Whether both hold the same: the refresh token, or where there is none the access token. */
export function sameToken(token: Token, { access, refresh }: EnvironmentToken): boolean {
  return refresh ? token.refresh?.reveal() === refresh.reveal() : token.access?.reveal() === access?.reveal();
}

/** A provider's name as a part of a file's. */
export function fileStemOf(provider: string): string {
  return provider.replace(/[^A-Za-z0-9_.-]+/g, '-');
}
