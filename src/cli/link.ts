import { statSync } from 'node:fs';
import { homedir } from 'node:os';
import { join, resolve } from 'node:path';
import { CLIENTS, type ClientFile } from '../ground/clients.js';
import { REDACTED } from '../ground/secret.js';
import { FileError } from '../ports/files.js';
import type { Context } from './command.js';
import { didYouMean, UsageError } from './options.js';

/** Makes the files that clients look for links to the outputs; `--list` shows which there are. */
export async function link(context: Context): Promise<number> {
  const { flags, words, terminal } = context;
  const names = CLIENTS.map(({ name }) => name);
  const project = projectOf(context);
  if (!statSync(project, { throwIfNoEntry: false })?.isDirectory()) throw new UsageError(`${project} is not a folder`);
  if (flags.list === true) return list(context);
  if (words.length === 0) throw new UsageError(`link needs a client: ${names.join(', ')}; --list shows them`);
  const chosen = words.map((word) => {
    const client = CLIENTS.find(({ name }) => name === word);
    if (!client) throw new UsageError(`there is no client "${word}"${didYouMean(word, names)}`);
    return client;
  });
  const { world } = context.app.look();
  if (world.servers.length === 0 && world.tokens.length === 0) {
    const { root } = context.app.settings;
    terminal.complain(
      `${root} has neither servers nor tokens; name the project root with --root, and the client's folder with --project`,
    );
    return 1;
  }
  let failed = false;
  for (const client of chosen) {
    try {
      if (!linkOne(client, context)) failed = true;
    } catch (error) {
      if (!(error instanceof FileError)) throw error;
      terminal.complain(error.message);
      failed = true;
    }
  }
  return failed ? 1 : 0;
}

/** Whether the client's file is a link to its output in the end. */
function linkOne(client: ClientFile, context: Context): boolean {
  const { app, terminal } = context;
  const { path, target } = placesOf(client, context);
  const found = app.links.look(path, target);
  if (found === 'other') {
    terminal.complain(`${path} is there already and stays as it is; merge this into it, or move it away:`);
    terminal.print(textOf(client, context).trimEnd());
    return false;
  }
  if (found === 'nothing') app.links.make(path, target);
  terminal.print(`${client.name}: ${path} -> ${target}${found === 'linked' ? ' (as before)' : ''}`);
  if (app.signature(`.oauth-tokens/${client.output}`) === '') {
    terminal.complain(
      `${target} is not rendered yet; add ${client.output} to --outputs (TOKEN_OUTPUTS) of the daemon, so that it is kept up to date`,
    );
  }
  return true;
}

function list(context: Context): number {
  const { app, flags, terminal } = context;
  const rows = CLIENTS.map((client) => {
    const { path, target } = placesOf(client, context);
    return {
      client: client.name,
      title: client.title,
      path,
      output: client.output,
      state: app.links.look(path, target),
    };
  });
  if (flags.json === true) {
    const clients = rows.map(({ state, ...row }) => ({
      ...row,
      linked: state === 'linked',
      exists: state !== 'nothing',
    }));
    terminal.print(JSON.stringify({ clients }, null, 2));
    return 0;
  }
  const words = { linked: 'linked', nothing: 'not linked', other: 'has a file of its own' };
  for (const { client, path, output, state } of rows) {
    terminal.print(`${client.padEnd(9)} ${words[state].padEnd(22)} ${output.padEnd(18)} ${path}`);
  }
  return 0;
}

function placesOf({ path, output }: ClientFile, context: Context): { path: string; target: string } {
  const place = path.startsWith('~/') ? join(homedir(), path.slice(2)) : join(projectOf(context), path);
  return { path: place, target: join(context.app.settings.root, '.oauth-tokens', output) };
}

function projectOf({ flags }: Context): string {
  return resolve(flags.project === undefined ? '.' : String(flags.project));
}

/** The output as it would be, without what it may hold of secrets. */
function textOf({ output }: ClientFile, { app }: Context): string {
  return app.publisher.text(output, app.look().world, () => REDACTED) ?? '';
}
