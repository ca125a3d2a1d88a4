import { missingProblems } from '../daemon/status.js';
import { problemLine, warning } from '../ground/problem.js';
import type { Context } from './command.js';

/** Checks every input, template and output: a line for each problem. */
export async function validate({ app, flags, terminal }: Context): Promise<number> {
  const { world, surveyed } = app.look();
  const { problems } = app.publisher.preview(world, (secret) => secret.reveal());
  const found = [
    ...world.problems,
    ...problems,
    ...app.publisher.join(world).warnings.map(({ file, pointer, message }) => warning(file, pointer ?? '', message)),
    ...app.publisher.leaks(world),
    ...missingProblems(surveyed),
  ];
  const errors = found.filter(({ severity }) => severity === 'error').length;
  if (flags.json === true) terminal.print(JSON.stringify({ valid: errors === 0, problems: found }, null, 2));
  else {
    for (const one of found) terminal.print(problemLine(one));
    const rest = found.length - errors;
    const warnings = rest === 0 ? '' : `, ${rest} warning${rest === 1 ? '' : 's'}`;
    terminal.complain(
      errors === 0 ? `everything is in order${warnings}` : `${errors} problem${errors === 1 ? '' : 's'}${warnings}`,
    );
  }
  return errors === 0 ? 0 : 1;
}
