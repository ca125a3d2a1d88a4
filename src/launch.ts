#!/usr/bin/env node
/**
 * Starts the program (program.cjs beside it) from V8's compiled form of it, which halves the time a command takes
 * to begin. The first run of a Node version writes that form; where it cannot, or V8 does not accept it, the
 * source does as well. Node 22 has module.enableCompileCache() for this, Node 20 has not.
 */
import { readFileSync, renameSync, writeFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { dirname, join } from 'node:path';
import { setFlagsFromString } from 'node:v8';
import { Script } from 'node:vm';

declare const BUILD_ID: string;

const program = join(__dirname, 'program.cjs');
const cache = join(__dirname, `program.${BUILD_ID}.${process.version}.${process.arch}.cache`);

// What ran once at the start would be flushed by the end, when the compiled form is taken. V8 accepts it under the
// same flags only, so this one is set at every start.
setFlagsFromString('--no-flush-bytecode');

let cachedData: Buffer | undefined;
try {
  cachedData = readFileSync(cache);
} catch {
  // The first run.
}
const source = `(function (exports, require, module, __filename, __dirname) {${readFileSync(program, 'utf8')}\n})`;
const script = new Script(source, { filename: program, ...(cachedData && { cachedData }) });
const module_ = { exports: {} };
script.runInThisContext()(module_.exports, createRequire(program), module_, program, dirname(program));

if (!cachedData || script.cachedDataRejected) {
  process.once('exit', () => {
    try {
      const temporary = `${cache}.${process.pid}`;
      writeFileSync(temporary, script.createCachedData());
      renameSync(temporary, cache);
    } catch {
      // Not our folder to write to: the next start is as slow as this one.
    }
  });
}
