// The daemon on a project of the size people have: cold, warm, after a change, idle.
import { spawn } from 'node:child_process';
import { mkdirSync, mkdtempSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { median, ms, PROGRAM, ratio, say } from './measure.mjs';

const TOKENS = 200;

function project(definitions) {
  const root = mkdtempSync(join(tmpdir(), 'token-refresher-bench-'));
  mkdirSync(join(root, 'registry/servers'), { recursive: true });
  mkdirSync(join(root, '.oauth-tokens'), { mode: 0o700 });
  for (let n = 0; n < definitions; n += 1) writeFileSync(join(root, `registry/servers/s${n}.json`), definition(n));
  for (let n = 0; n < TOKENS; n += 1) {
    const token = {
      provider: `p${n}`,
      access_token: `access-${n}`,
      refresh_token: `refresh-${n}`,
      expires_at: Date.now() / 1000 + 86_400,
      token_endpoint: 'https://as.example.com/token',
      client_id: 'client',
    };
    writeFileSync(join(root, `.oauth-tokens/p${n}-s${n}-egress.json`), JSON.stringify(token, null, 2), { mode: 0o600 });
  }
  return root;
}

/** A definition of 5 KB, most of it the list of tools. */
function definition(n) {
  const tool = (at) => ({
    name: `tool_${at}`,
    parsed_description: {
      main: `Does thing number ${at} to whatever it is given.`,
      args: 'what: The thing.',
      returns: 'dict: The result.',
    },
    schema: {
      properties: { what: { description: 'The thing', title: 'What', type: 'string' } },
      required: ['what'],
      type: 'object',
    },
  });
  const server = {
    server_name: `Server ${n}`,
    path: `/s${n}`,
    proxy_pass_url: `http://s${n}.example.com:8000/`,
    ...(n < TOKENS ? { auth_type: 'oauth', auth_provider: `p${n}` } : { auth_type: 'none' }),
    supported_transports: ['streamable-http'],
  };
  const tools = [];
  while (JSON.stringify({ ...server, tool_list: tools }, null, 2).length < 4700) tools.push(tool(tools.length));
  return JSON.stringify({ ...server, tool_list: tools }, null, 2);
}

const noteOf = (root) => {
  try {
    return JSON.parse(readFileSync(join(root, '.token-refresher/last-cycle.json'), 'utf8'));
  } catch {
    return null;
  }
};

async function until(look) {
  for (;;) {
    const found = look();
    if (found) return found;
    await sleep(1);
  }
}

async function daemon(root) {
  const child = spawn(process.execPath, [PROGRAM], { cwd: root, stdio: 'ignore' });
  await until(() => noteOf(root)?.pid === child.pid);
  await sleep(1000); // the watches are in place, and what the start woke has gone by
  const warm = [];
  // The first cycles still run code that V8 has not compiled: a daemon that runs for days has them once.
  for (let n = 0; n < 45; n += 1) {
    const before = noteOf(root).at;
    child.kill('SIGHUP');
    warm.push((await until(() => noteOf(root)?.at !== before && noteOf(root))).took);
  }
  return { child, warm: median(warm.slice(30)) };
}

export async function benchCycles() {
  const small = project(1000);
  const cold = ratio([PROGRAM, '--once'], small);
  say(
    'cold run --once, 200 tokens, 1,000 definitions of 5 KB',
    `${ms(cold.seconds)}, ${cold.times.toFixed(1)} x node -e 0`,
    '4 x',
  );

  const { child, warm } = await daemon(small);
  say('warm cycle, nothing changed, 1,000 definitions', ms(warm), '10 ms');

  const delays = [];
  for (let n = 0; n < 9; n += 1) {
    const outputs = ['mcp.json', 'vscode_mcp.json'].map((name) => join(small, '.oauth-tokens', name));
    const before = outputs.map((path) => statSync(path).mtimeNs ?? statSync(path).mtimeMs);
    const changed = definition(500).replace('s500.example.com', `s500-${n}.example.com`);
    const began = performance.now();
    writeFileSync(join(small, 'registry/servers/s500.json'), changed);
    await until(() => outputs.every((path, at) => statSync(path).mtimeMs !== before[at]));
    delays.push((performance.now() - began) / 1000);
    await sleep(300);
  }
  say('one changed definition to both outputs rewritten', ms(median(delays)), '150 ms');

  const memory = Number(/VmRSS:\s+(\d+)/.exec(readFileSync(`/proc/${child.pid}/status`, 'utf8'))[1]) / 1024;
  say('resident memory, 1,000 definitions', `${memory.toFixed(0)} MB`, '120 MB');

  const cpu = () => {
    const fields = readFileSync(`/proc/${child.pid}/stat`, 'utf8').split(') ')[1].split(' ');
    return (Number(fields[11]) + Number(fields[12])) / 100;
  };
  const IDLE_SECONDS = 30;
  const used = cpu();
  await sleep(IDLE_SECONDS * 1000);
  say('idle, share of a core', `${(((cpu() - used) / IDLE_SECONDS) * 100).toFixed(2)} %`, '0.2 %');
  child.kill();

  const large = project(10_000);
  const big = await daemon(large);
  big.child.kill();
  say('warm cycle at 10,000 definitions against 1,000', `${ms(big.warm)}, ${(big.warm / warm).toFixed(1)} x`, '12 x');

  for (const root of [small, large]) rmSync(root, { recursive: true, force: true, maxRetries: 10 });
}
