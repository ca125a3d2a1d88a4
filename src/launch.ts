#!/usr/bin/env node
/**
 * Starts the program (program.cjs beside it) from V8's compiled form of it, which halves the time a command takes
 * to begin. The first run of a Node version writes that form; where it cannot, or V8 does not accept it, the
 * source does as well. Node 22 has module.enableCompileCache() for this, Node 20 has not.
 */

// Before anything else: by itself Node answers SIGUSR1 with a debugger, to which every user of the machine may connect.
// One that came while Node was starting has opened it already, or will as soon as the thread that hears of it is run.
process.on('SIGUSR1', () => undefined);
closeDebugger();
const closing = setInterval(closeDebugger, 20).unref();
setTimeout(() => clearInterval(closing), 3000).unref();

const fs = process.getBuiltinModule('node:fs');
const { hash } = process.getBuiltinModule('node:crypto');
const { createRequire } = process.getBuiltinModule('node:module');
const { dirname, join } = process.getBuiltinModule('node:path');
const { setFlagsFromString } = process.getBuiltinModule('node:v8');
const { Script } = process.getBuiltinModule('node:vm');

declare const BUILD_ID: string;

/** Of the compiled form, which ends with it. */
const CHECKSUM_BYTES = 20;

const program = join(__dirname, 'program.cjs');
const cache = join(__dirname, `program.${BUILD_ID}.${process.version}.${process.arch}.cache`);

// What ran once at the start would be flushed by the end, when the compiled form is taken. V8 accepts it under the
// same flags only, so this one is set at every start.
setFlagsFromString('--no-flush-bytecode');

const cachedData = readCache();
const source = `(function (exports, require, module, __filename, __dirname) {${fs.readFileSync(program, 'utf8')}\n})`;
const script = new Script(source, { filename: program, ...(cachedData && { cachedData }) });
const module_ = { exports: {} };
script.runInThisContext()(module_.exports, createRequire(program), module_, program, dirname(program));

if (!cachedData || script.cachedDataRejected) process.once('exit', writeCache);

/** Unless it was asked for. */
function closeDebugger(): void {
  const flags = [...process.execArgv, process.env.NODE_OPTIONS ?? ''];
  // As inspector.close(), without loading the inspector at every start.
  if (!flags.some((flag) => flag.includes('--inspect'))) (process as { _debugEnd?: () => void })._debugEnd?.();
}

/** V8 does not check what it is given: a file that a power cut has damaged would end every start with SIGSEGV. */
function readCache(): Buffer | null {
  try {
    const file = fs.readFileSync(cache);
    const data = file.subarray(0, -CHECKSUM_BYTES);
    return data.length > 0 && checksum(data).equals(file.subarray(data.length)) ? data : null;
  } catch {
    return null; // the first run
  }
}

function writeCache(): void {
  const temporary = `${cache}.${process.pid}`;
  try {
    sweep();
    const data = script.createCachedData();
    const file = fs.openSync(temporary, 'w');
    try {
      fs.writeFileSync(file, Buffer.concat([data, checksum(data)]));
      fs.fsyncSync(file);
    } finally {
      fs.closeSync(file);
    }
    fs.renameSync(temporary, cache);
  } catch {
    // Not our folder to write to, or a full disk: the next start is as slow as this one.
    fs.rmSync(temporary, { force: true });
  }
}

/** Removes what starts that were killed have left. One that is only slow does without: this one's is as good. */
function sweep(): void {
  const folder = dirname(cache);
  const temporaries = fs.readdirSync(folder).filter((name) => /^program\..*\.cache\.\d+$/.test(name));
  for (const name of temporaries) fs.rmSync(join(folder, name), { force: true });
}

function checksum(data: Buffer): Buffer {
  return hash('sha1', data, 'buffer');
}
