// How costs grow with the number of tokens: 10, 100, 1,000, 10,000 of them, as files of their own and as users of one
// store. Ratios to the row of 100 are what to look at. By hand: node test/bench/curves.mjs [COUNT...]
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { Agent, createServer, request } from 'node:http';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { median, PROGRAM } from './measure.mjs';

const COUNTS = [10, 100, 1000, 10_000];
const PATIENCE_MS = 120_000;

async function endpoint() {
  let issued = 0;
  const server = createServer((incoming, response) => {
    incoming.resume().on('end', () => {
      issued += 1;
      response.setHeader('content-type', 'application/json');
      const tokens = {
        access_token: `access-new-${issued}`,
        refresh_token: `refresh-new-${issued}`,
        expires_in: 86_400,
      };
      response.end(JSON.stringify({ ...tokens, token_type: 'Bearer' }));
    });
  });
  await once(server.listen(0, '127.0.0.1'), 'listening');
  return server;
}

const tokenOf = (n, port) => ({
  provider: 'p',
  access_token: `access-${n}`,
  refresh_token: `refresh-${n}`,
  expires_at: Math.floor(Date.now() / 1000) + 86_400,
  scope: `scope-${n}`,
  token_endpoint: `http://127.0.0.1:${port}/token`,
  client_id: 'client',
});

function asFiles(root, count, port) {
  for (let n = 0; n < count; n += 1) {
    writeFileSync(join(root, `.oauth-tokens/p-s${n}-egress.json`), JSON.stringify(tokenOf(n, port)), { mode: 0o600 });
  }
}

function asStore(root, count, port) {
  const user_tokens = Object.fromEntries(Array.from({ length: count }, (_, n) => [`user-${n}`, tokenOf(n, port)]));
  writeFileSync(join(root, '.kroger_tokens.json'), JSON.stringify({ user_tokens }, null, 2), { mode: 0o600 });
}

async function until(look, what) {
  const end = performance.now() + PATIENCE_MS;
  for (;;) {
    const found = await look();
    if (found) return found;
    if (performance.now() > end) throw new Error(`not in time: ${what}`);
    await sleep(2);
  }
}

/** Milliseconds to the whole answer. */
async function ask(agent, url, key, method = 'GET') {
  const began = performance.now();
  const outgoing = request(url, { agent, method, headers: { authorization: `Bearer ${key}` } });
  outgoing.end();
  const [response] = await once(outgoing, 'response');
  let length = 0;
  for await (const chunk of response) length += chunk.length;
  if (response.statusCode !== 200) throw new Error(`${method} ${url}: ${response.statusCode}`);
  return { ms: performance.now() - began, length };
}

/** proc_pid_io(5): bytes written, and calls that read or write. */
function io(pid) {
  const figures = Object.fromEntries(
    readFileSync(`/proc/${pid}/io`, 'utf8')
      .trim()
      .split('\n')
      .map((line) => line.split(': ')),
  );
  return { bytes: Number(figures.wchar), calls: Number(figures.syscr) + Number(figures.syscw) };
}

const cpu = (pid) => {
  const fields = readFileSync(`/proc/${pid}/stat`, 'utf8').split(') ')[1].split(' ');
  return (Number(fields[11]) + Number(fields[12])) * 10;
};

async function measure(layOut, count, port) {
  const root = mkdtempSync(join(tmpdir(), 'token-refresher-bench-'));
  mkdirSync(join(root, '.oauth-tokens'), { mode: 0o700 });
  layOut(root, count, port);
  const name = layOut === asStore ? 'kroger:user-7' : 'p-s7';
  const began = performance.now();
  const daemon = spawn(process.execPath, [PROGRAM, '--root', root, '--api', '127.0.0.1:0'], { stdio: 'inherit' });
  const log = () => readFileSync(join(root, 'token_refresher.log'), { encoding: 'utf8', flag: 'a+' });
  const agent = new Agent({ keepAlive: true });
  try {
    await until(() => /cycle completed/.test(log()), 'a first cycle');
    const start = performance.now() - began;
    const api = /listening at (http\S+)/.exec(log())[1];
    const key = readFileSync(join(root, '.token-refresher/api-key'), 'utf8').trim();
    await sleep(1000);
    const one = [];
    for (let n = 0; n < 300; n += 1) one.push((await ask(agent, `${api}/api/tokens/${name}`, key)).ms);
    const list = [];
    for (let n = 0; n < 5; n += 1) list.push(await ask(agent, `${api}/api/tokens`, key));
    const page = [];
    for (let n = 0; n < 20; n += 1) page.push((await ask(agent, `${api}/api/tokens?limit=50`, key)).ms);
    const status = [];
    for (let n = 0; n < 5; n += 1) status.push((await ask(agent, `${api}/admin/status`, key)).ms);

    const refreshes = [];
    for (let n = 0; n < 3; n += 1) {
      const before = { ...io(daemon.pid), cpu: cpu(daemon.pid) };
      await ask(agent, `${api}/api/tokens/refresh/${name}`, key, 'POST');
      await sleep(1500);
      const after = { ...io(daemon.pid), cpu: cpu(daemon.pid) };
      refreshes.push({
        bytes: after.bytes - before.bytes,
        calls: after.calls - before.calls,
        cpu: after.cpu - before.cpu,
      });
    }

    // What others wait for while a change is taken in: the longest of their answers.
    let longest = 0;
    let over = false;
    const others = (async () => {
      while (!over) {
        longest = Math.max(longest, (await ask(agent, `${api}/api/tokens/${name}`, key)).ms);
        await sleep(1);
      }
    })();
    for (let n = 0; n < 5; n += 1) {
      await sleep(400);
      writeFileSync(join(root, '.oauth-tokens/another.json'), JSON.stringify({ access_token: `another-${n}` }));
    }
    await sleep(800);
    over = true;
    await others;
    const last = refreshes.at(-1);
    return {
      tokens: count,
      start: `${start.toFixed(0)} ms`,
      'GET one': `${median(one).toFixed(2)} ms`,
      'GET all': `${median(list.map(({ ms }) => ms)).toFixed(1)} ms, ${(list[0].length / 1024).toFixed(0)} kB`,
      'GET 50': `${median(page).toFixed(2)} ms`,
      'GET status': `${median(status).toFixed(1)} ms`,
      'one refresh': `${last.bytes} B, ${last.calls} calls, ${last.cpu} ms`,
      'longest wait': `${longest.toFixed(1)} ms`,
    };
  } finally {
    agent.destroy();
    daemon.kill();
    await once(daemon, 'close');
    rmSync(root, { recursive: true, force: true, maxRetries: 10 });
  }
}

async function benchCurves(counts) {
  const server = await endpoint();
  for (const layOut of [asFiles, asStore]) {
    const rows = [];
    for (const count of counts) rows.push(await measure(layOut, count, server.address().port));
    console.log(layOut === asFiles ? 'a file for each token' : 'one store');
    console.table(rows);
  }
  server.close();
}

const counts = process.argv.slice(2).map(Number);
await benchCurves(counts.length > 0 ? counts : COUNTS);
