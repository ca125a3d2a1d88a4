import { findAuthorization, LoginError } from './authorization.js';
import { loginByBrowser } from './browser.js';
import { loginByDevice } from './device.js';
import type { Login, LoginParts } from './request.js';
import { whyNoPlace } from './target.js';

/** Puts a login together: where to, as whom, by which way, and into which file. */
export function createLogin(parts: LoginParts): Login {
  return async (request) => {
    const found = await findAuthorization(request.target, request.world, parts.ports.discovery, request);
    const { target, world } = request;
    const { provider } = found.authorization;
    const why = target.token ? null : whyNoPlace(target.place(provider), provider, world);
    if (why !== null) throw new LoginError(why);
    return request.device ? loginByDevice(found, request, parts) : loginByBrowser(found, request, parts);
  };
}
