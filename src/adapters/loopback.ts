import { once } from 'node:events';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { codeOf } from '../ports/files.js';
import type { Loopback, Visit } from '../ports/login.js';

const PATH = '/callback';

/** A web server on this machine's own interface, for as long as a login takes. */
export const loopbackServer: Loopback = {
  async listen(redirectUri) {
    const wanted = redirectUri === null ? null : new URL(redirectUri);
    const path = wanted?.pathname ?? PATH;
    const visits: Visit[] = [];
    let arrived: () => void = () => undefined;
    const server = createServer((request, response) => {
      const address = `http://127.0.0.1${request.url}`;
      const url = URL.canParse(address) ? new URL(address) : null;
      if (request.method !== 'GET' || url?.pathname !== path) {
        response.writeHead(404, { connection: 'close' }).end();
        return;
      }
      const reply: Visit['reply'] = (good, text) => {
        response.writeHead(good ? 200 : 400, {
          'content-type': 'text/html; charset=utf-8',
          'content-security-policy': "default-src 'none'",
          'cache-control': 'no-store',
          'referrer-policy': 'no-referrer',
          connection: 'close',
        });
        response.end(page(text));
      };
      visits.push({ parameters: url.searchParams, reply });
      arrived();
    });
    try {
      server.listen(Number(wanted?.port ?? 0), wanted?.hostname.replace(/^\[|\]$/g, '') ?? '127.0.0.1');
      await once(server, 'listening');
    } catch (error) {
      if (codeOf(error) === 'EADDRINUSE' || codeOf(error) === 'EACCES') return null;
      throw error;
    }
    return {
      redirectUri: redirectUri ?? `http://127.0.0.1:${(server.address() as AddressInfo).port}${PATH}`,
      async next(signal) {
        while (visits.length === 0 && !signal.aborted) {
          await new Promise<void>((resolve) => {
            arrived = resolve;
            signal.addEventListener('abort', () => resolve(), { once: true });
          });
        }
        return visits.shift() ?? null;
      },
      async close() {
        server.close();
        server.closeIdleConnections();
      },
    };
  },
};

function page(text: string): string {
  const escaped = text.replaceAll('&', '&amp;').replaceAll('<', '&lt;');
  return `<!doctype html><html lang="en"><title>token-refresher</title><h1>token-refresher</h1><p>${escaped}</p></html>\n`;
}
