// What programs that ask for a token over HTTP wait for, beside the same fastify that answers a constant.
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { connect } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';
import { median, ms, PROGRAM, say } from './measure.mjs';

const CONNECTIONS = 64;
const SECONDS = 2;
const ROUNDS = 5;
const TOKENS = 200;
const CONSTANT = fileURLToPath(new URL('constant-server.mjs', import.meta.url));

function project() {
  const root = mkdtempSync(join(tmpdir(), 'token-refresher-bench-'));
  mkdirSync(join(root, '.oauth-tokens'), { mode: 0o700 });
  for (let n = 0; n < TOKENS; n += 1) {
    const token = { provider: `p${n}`, access_token: `access-${n}`, expires_at: Date.now() / 1000 + 86_400 };
    writeFileSync(join(root, `.oauth-tokens/p${n}-s${n}-egress.json`), JSON.stringify(token), { mode: 0o600 });
  }
  return root;
}

async function addressOf(look) {
  for (;;) {
    const found = look();
    if (found) return found;
    await sleep(10);
  }
}

/**
 * Requests each second, and the time that 99 of 100 are answered within. Plain sockets: a client of node:http takes
 * longer for a request than the servers do, and would be what is measured.
 */
async function load(address, key) {
  const { hostname, port, host, pathname } = new URL(address);
  const asking = `GET ${pathname} HTTP/1.1\r\nHost: ${host}\r\nAuthorization: Bearer ${key}\r\n\r\n`;
  const times = [];
  const end = performance.now() + SECONDS * 1000;
  const line = () =>
    new Promise((resolve, reject) => {
      const socket = connect(Number(port), hostname);
      let began = 0;
      let answer = '';
      const ask = () => {
        began = performance.now();
        if (began >= end) return socket.end(resolve);
        answer = '';
        socket.write(asking);
      };
      socket.setNoDelay().setEncoding('latin1').once('connect', ask).once('error', reject);
      socket.on('data', (chunk) => {
        answer += chunk;
        const head = answer.indexOf('\r\n\r\n');
        if (head < 0 || answer.length < head + 4 + Number(/content-length: (\d+)/i.exec(answer)[1])) return;
        if (!answer.startsWith('HTTP/1.1 200 ')) return reject(new Error(answer));
        times.push(performance.now() - began);
        ask();
      });
    });
  await Promise.all(Array.from({ length: CONNECTIONS }, line));
  times.sort((a, b) => a - b);
  return { rate: times.length / SECONDS, p99: times[Math.floor(times.length * 0.99)] / 1000 };
}

export async function benchApi() {
  const root = project();
  const daemon = spawn(process.execPath, [PROGRAM, '--root', root, '--api', '127.0.0.1:0'], { stdio: 'inherit' });
  const constant = spawn(process.execPath, [CONSTANT], { stdio: ['ignore', 'pipe', 'inherit'] });
  let said = '';
  constant.stdout.on('data', (chunk) => {
    said += chunk;
  });
  const log = () => readFileSync(join(root, 'token_refresher.log'), { encoding: 'utf8', flag: 'a+' });
  const api = await addressOf(() => /cycle completed/.test(log()) && /listening at (http\S+)/.exec(log())?.[1]);
  const plain = await addressOf(() => /(http\S+)\n/.exec(said)?.[1]);
  const key = readFileSync(join(root, '.token-refresher/api-key'), 'utf8').trim();
  const ours = () => load(`${api}/api/tokens/p7-s7`, key);
  const theirs = () => load(`${plain}/api/tokens/p7-s7`, key);
  await ours();
  await theirs();
  const rounds = [];
  for (let n = 0; n < ROUNDS; n += 1) {
    const [a, b] = [await ours(), await theirs()];
    rounds.push({ rate: a.rate, times: a.rate / b.rate, p99: a.p99, plainP99: b.p99 });
  }
  const figure = (name) => median(rounds.map((round) => round[name]));
  say(
    `GET /api/tokens/NAME, ${CONNECTIONS} connections, of a constant's rate`,
    `${figure('times').toFixed(2)} x (${figure('rate').toFixed(0)} a second)`,
    '0.6 x, or more',
  );
  say('  99 of 100 within', `${ms(figure('p99'))} to ${ms(figure('plainP99'))}`, '10 ms');
  constant.kill();
  daemon.kill();
  await once(daemon, 'close');
  rmSync(root, { recursive: true, force: true });
}
