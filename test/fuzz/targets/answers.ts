import { once } from 'node:events';
import { createServer, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { brotliCompressSync, deflateSync, gzipSync } from 'node:zlib';
import { expect } from 'vitest';
import { httpTokenEndpoint } from '../../../src/adapters/endpoint.js';
import { takeGrant } from '../../../src/ground/answer.js';
import { failureOf, updateOf } from '../../../src/ground/outcome.js';
import { isRecipe, recipeFor } from '../../../src/ground/recipe.js';
import { readToken } from '../../../src/ground/token.js';
import type { Dice } from '../dice.js';
import { hostileText, hostileValue, mutated, SECRET, writtenBy } from '../hostile.js';
import type { Target } from '../target.js';

const WHOLE = { access_token: `${SECRET}-a`, refresh_token: `${SECRET}-next`, expires_in: 3600, token_type: 'Bearer' };
const REFUSED = { error: 'invalid_grant', error_description: `no: ${SECRET}-spent` };

/** Answers of token endpoints, over a real connection. */
export const answers: Target = {
  name: 'answers',
  weight: 3,
  async run(dice) {
    const fields = {
      access_token: 'a',
      refresh_token: `${SECRET}-spent`,
      client_id: 'c',
      token_endpoint: await endpointOf(dice),
    };
    const token = readToken({ name: 'x', file: 'x.json', at: [] }, fields, null);
    const recipe = recipeFor(token, { provider: null, agent: null, environment: {}, allowHttp: false });
    if (!isRecipe(recipe)) throw new Error(recipe.reason);
    const exchange = await httpTokenEndpoint({ timeout: 2, answerBytes: 64 * 1024 }).request(recipe, token.refresh);
    const grant = exchange.answer && takeGrant(exchange.answer);
    const failure = failureOf(exchange, grant, token, recipe, 1_800_000_000);
    if (grant) updateOf(grant, 1_800_000_000, 0);
    expect(JSON.stringify(failure) + (exchange.trouble ?? '')).not.toContain(SECRET);
    expect(failure?.detail ?? '').not.toMatch(/\p{Cc}/u);
    if (expected !== null) expect(grant?.refresh?.reveal()).toBe(expected);
  },
};

let server: Server | null = null;
let respond: (response: import('node:http').ServerResponse) => void = () => undefined;
/** The refresh token that is whole in the answer, and so has to be found. */
let expected: string | null = null;

async function endpointOf(dice: Dice): Promise<string> {
  if (!server) {
    server = createServer((request, response) => {
      request.resume();
      response.on('error', () => undefined);
      try {
        respond(response);
      } catch {
        response.destroy(); // Node itself refuses to send such a header
      }
    });
    server.listen(0, '127.0.0.1').unref();
    await once(server, 'listening');
  }
  const isWhole = dice.oneIn(4);
  expected = isWhole ? WHOLE.refresh_token : null;
  const document = isWhole
    ? WHOLE
    : dice.pick([mutated(dice, WHOLE), mutated(dice, REFUSED), hostileValue(dice), { data: mutated(dice, WHOLE) }]);
  const body = isWhole ? Buffer.from(JSON.stringify(WHOLE)) : writtenBy(dice, document);
  const codings: [name: string, code: (bytes: Buffer) => Buffer][] = [
    ['', (bytes) => bytes],
    ['gzip', gzipSync],
    ['deflate', deflateSync],
    ['br', brotliCompressSync],
    ['gzip, br', (bytes) => brotliCompressSync(gzipSync(bytes))],
    [
      hostileText(dice)
        .replace(/[^\x21-\x7e]/g, '')
        .slice(0, 200),
      (bytes) => bytes,
    ],
  ];
  const [coding, code] = dice.pick(codings);
  const sent = code(body);
  const cut = !isWhole && dice.oneIn(6) ? dice.below(sent.length + 1) : null;
  const status = isWhole ? 200 : dice.pick([200, 200, 201, 204, 301, 400, 401, 403, 429, 500, 503, 599]);
  const odd = dice.oneIn(4)
    ? { [dice.pick(['retry-after', 'date', 'content-type', '__proto__', 'constructor'])]: hostileText(dice) }
    : {};
  respond = (response) => {
    const headers = {
      ...(coding && { 'content-encoding': coding }),
      ...(isWhole ? {} : odd),
      'content-length': sent.length,
    };
    response.writeHead(status, headers);
    if (cut === null) response.end(sent);
    else response.write(sent.subarray(0, cut), () => response.destroy());
  };
  return `http://127.0.0.1:${(server.address() as AddressInfo).port}/token`;
}
