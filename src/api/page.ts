import type { FastifyInstance } from 'fastify';

export function pageRoute(api: FastifyInstance): void {
  api.get('/', { schema: { hide: true }, config: { open: true } }, async (_request, reply) => {
    reply.type('text/html; charset=utf-8');
    return '<!doctype html>';
  });
}
