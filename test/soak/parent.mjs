// Whoever has started the daemon: reads what it says, tells its PID, and does nothing more.
import { spawn } from 'node:child_process';

const child = spawn(process.execPath, process.argv.slice(2), { stdio: 'pipe' });
child.stdout.pipe(process.stderr);
child.stderr.pipe(process.stderr);
child.once('exit', (code) => process.exit(code ?? 1));
process.stdout.write(`${child.pid}\n`);
