import type { LoginSecrets } from '../ports/login.js';

export const loginSecrets: LoginSecrets = async () => {
  const oauth = await import('oauth4webapi');
  const verifier = oauth.generateRandomCodeVerifier();
  return { state: oauth.generateRandomState(), verifier, challenge: await oauth.calculatePKCECodeChallenge(verifier) };
};
