import { problemLine } from '../ground/problem.js';
import type { Context } from './command.js';

/** Renders the outputs from what is on disk; calls nobody. */
export async function render({ app, flags, terminal }: Context): Promise<number> {
  const world = app.loader.load(app.clock.monotonic());
  const { outputs, problems, joined } = await app.publisher.publish(world);
  const left = joined.listings.filter(({ reason, wanted }) => reason !== null && wanted);
  const wrong = [...world.problems, ...problems];
  if (flags.json === true) {
    const listed = left.map(({ key, file, reason }) => ({ key, file, reason }));
    const told = wrong.map(({ file, pointer, message }) => ({ file, pointer, message }));
    terminal.print(JSON.stringify({ outputs, left_out: listed, problems: told }, null, 2));
  } else {
    for (const { path, status, servers } of outputs) terminal.print(`${path}: ${servers} servers, ${status}`);
    for (const { file, key, reason } of left) terminal.complain(`${file}: server ${key} is left out: ${reason}`);
  }
  for (const one of wrong) terminal.complain(problemLine(one));
  return wrong.some(({ severity }) => severity === 'error') ? 1 : 0;
}
