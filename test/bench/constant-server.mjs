// What fastify can do: it answers a constant of the size of a token, and looks at nothing.
import { fastify } from 'fastify';

const server = fastify();
const text = { type: 'string' };
const integer = { type: 'integer' };
const properties = { token: text, expires_on: integer, scope: text, refresh_count: integer };
server.get('/api/tokens/*', { schema: { response: { 200: { type: 'object', properties } } } }, async () => ({
  token: 'access-7',
  expires_on: 1_800_000_000,
  scope: 'p7-s7',
  refresh_count: 0,
}));
console.log(await server.listen({ host: '127.0.0.1', port: 0 }));
