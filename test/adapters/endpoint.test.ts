import { once } from 'node:events';
import { createServer, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import { brotliCompressSync, deflateSync, gzipSync } from 'node:zlib';
import { describe, expect, it, onTestFinished } from 'vitest';
import { httpTokenEndpoint } from '../../src/adapters/endpoint.js';
import { takeGrant } from '../../src/ground/answer.js';
import { failureOf } from '../../src/ground/outcome.js';
import { isRecipe, recipeFor } from '../../src/ground/recipe.js';
import { readToken } from '../../src/ground/token.js';

const TOKENS = {
  access_token: 'made-up-access',
  refresh_token: 'made-up-next',
  expires_in: 3600,
  token_type: 'Bearer',
};
const PLAIN = Buffer.from(JSON.stringify(TOKENS));

/** What becomes of one refresh that is answered so. */
async function refreshed(answer: (response: ServerResponse) => void) {
  const offered: (string | undefined)[] = [];
  const server = createServer((request, response) => {
    offered.push(request.headers['accept-encoding']);
    request.resume();
    answer(response);
  });
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  onTestFinished(() => {
    server.close();
    server.closeAllConnections();
  });
  const url = `http://127.0.0.1:${(server.address() as AddressInfo).port}/token`;
  const fields = { access_token: 'a', refresh_token: 'r', client_id: 'c', token_endpoint: url };
  const token = readToken({ name: 'x', file: 'x.json', at: [] }, fields, null);
  const recipe = recipeFor(token, { provider: null, agent: null, environment: {}, allowHttp: false });
  if (!isRecipe(recipe)) throw new Error(recipe.reason);
  const endpoint = httpTokenEndpoint({ timeout: 60, answerBytes: 64 * 1024 });
  const exchange = await endpoint.request(recipe, token.refresh);
  const grant = exchange.answer && takeGrant(exchange.answer);
  const failure = failureOf(exchange, grant, token, recipe, 0);
  return { offered, refresh: grant?.refresh?.reveal() ?? null, failure };
}

const coded =
  (coding: string, body: Buffer, status = 200) =>
  (response: ServerResponse) => {
    response.writeHead(status, { 'content-type': 'application/json', 'content-encoding': coding }).end(body);
  };

describe('the content coding of an answer', () => {
  it.each<[coding: string, body: Buffer]>([
    ['gzip', gzipSync(PLAIN)],
    ['GZip', gzipSync(PLAIN)],
    ['x-gzip', gzipSync(PLAIN)],
    ['deflate', deflateSync(PLAIN)],
    ['br', brotliCompressSync(PLAIN)],
    ['gzip, br', brotliCompressSync(gzipSync(PLAIN))],
    ['identity', PLAIN],
    ['', PLAIN],
    ['gzip, identity', gzipSync(PLAIN)],
  ])('%j is undone', async (coding, body) => {
    const { refresh, failure, offered } = await refreshed(coded(coding, body));
    expect([refresh, failure]).toEqual(['made-up-next', null]);
    expect(offered).toEqual(['gzip, deflate, br']);
  });

  it.each([...Object.getOwnPropertyNames(Object.prototype), 'zstd', 'x'.repeat(5000), 'gzip,'.repeat(9)])(
    '%s is not known: what is plain all the same is kept, and what is not is named',
    async (coding) => {
      expect(await refreshed(coded(coding, PLAIN))).toMatchObject({ refresh: 'made-up-next', failure: null });
      const { refresh, failure } = await refreshed(coded(coding, Buffer.from([1, 2, 3, 250])));
      expect([refresh, failure?.kind, failure?.code]).toEqual([null, 'lost', 'answer_unusable']);
      expect(failure?.detail).toContain(`content coding that is not known: "${coding.slice(0, 40)}`);
      expect(failure?.detail.length).toBeLessThan(150);
      expect((await refreshed(coded(coding, Buffer.from('busy'), 503))).failure?.kind).toBe('transient');
    },
  );

  it.each(['gzip', 'deflate', 'br'])('%s is said, and the answer is plain', async (coding) => {
    expect(await refreshed(coded(coding, PLAIN))).toMatchObject({ refresh: 'made-up-next', failure: null });
  });

  it('an answer that breaks off keeps what has come of it', async () => {
    const body = gzipSync(JSON.stringify({ ...TOKENS, more: Array.from({ length: 9999 }, (_, n) => n ** 3) }));
    const { refresh, failure } = await refreshed((response) => {
      response.writeHead(200, { 'content-encoding': 'gzip', 'content-length': body.length });
      response.write(body.subarray(0, 9000), () => response.destroy());
    });
    expect([refresh, failure?.kind]).toEqual(['made-up-next', 'lost']);
  });
});
