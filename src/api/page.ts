import type { FastifyInstance } from 'fastify';
import { PAGE, POLICY } from '../generated/page.js';

/** The status page at `/`: a document without data, which asks for them with the key that a person gives it. */
export function pageRoute(api: FastifyInstance, asksForKey: boolean): void {
  const page = asksForKey ? PAGE : PAGE.replace('data-key="asked"', 'data-key="open"');
  api.get('/', { schema: { hide: true }, config: { open: true } }, async (_request, reply) => {
    reply.type('text/html; charset=utf-8');
    reply.headers({
      'content-security-policy': POLICY,
      'cross-origin-opener-policy': 'same-origin',
      'cross-origin-resource-policy': 'same-origin',
      'referrer-policy': 'no-referrer',
    });
    return page;
  });
}
