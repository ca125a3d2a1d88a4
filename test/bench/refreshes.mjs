// Many tokens due at once, at endpoints that take 100 ms to answer.
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { createServer } from 'node:http';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { PROGRAM, say } from './measure.mjs';

const TOKENS = 300;
const ANSWER_MS = 100;

async function endpoint() {
  let issued = 0;
  const server = createServer((request, response) => {
    request.resume().on('end', async () => {
      await sleep(ANSWER_MS);
      issued += 1;
      response.setHeader('content-type', 'application/json');
      const tokens = { access_token: `access-${issued}`, refresh_token: `refresh-${issued}`, expires_in: 3600 };
      response.end(JSON.stringify({ ...tokens, token_type: 'Bearer' }));
    });
  });
  await once(server.listen(0, '127.0.0.1'), 'listening');
  return server;
}

/** Seconds of a `run --once` in which every token is refreshed. */
async function refreshAll(hosts) {
  const servers = await Promise.all(Array.from({ length: hosts }, endpoint));
  const root = mkdtempSync(join(tmpdir(), 'token-refresher-bench-'));
  mkdirSync(join(root, '.oauth-tokens'), { mode: 0o700 });
  for (let n = 0; n < TOKENS; n += 1) {
    const token = {
      provider: 'p',
      access_token: 'old',
      refresh_token: `old-${n}`,
      expires_at: 1,
      token_endpoint: `http://127.0.0.1:${servers[n % hosts].address().port}/token`,
      client_id: 'client',
    };
    writeFileSync(join(root, `.oauth-tokens/p-s${n}-egress.json`), JSON.stringify(token, null, 2), { mode: 0o600 });
  }
  const began = performance.now();
  const child = spawn(process.execPath, [PROGRAM, '--once'], { cwd: root, stdio: ['ignore', 'ignore', 'inherit'] });
  const [code] = await once(child, 'exit');
  const seconds = (performance.now() - began) / 1000;
  if (code !== 0) throw new Error(`run --once ended with ${code}`);
  for (const server of servers) server.close();
  rmSync(root, { recursive: true });
  return seconds;
}

export async function benchRefreshes() {
  const one = await refreshAll(1);
  const ideal = ((TOKENS / 4) * ANSWER_MS) / 1000;
  say(
    '300 tokens due at one host, 4 at a time',
    `${one.toFixed(2)} s, ${(one / ideal).toFixed(2)} x the ideal`,
    '1.3 x',
  );
  say('300 tokens due at 100 hosts', `${(await refreshAll(100)).toFixed(2)} s`, '1.5 s');
}
