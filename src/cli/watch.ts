import { styleText } from 'node:util';
import type { Status, TokenStatus } from '../daemon/status.js';
import { relative } from '../ground/duration.js';
import type { State } from '../ground/plan.js';
import type { Context } from './command.js';
import { snapshot } from './snapshot.js';
import { COLORS, shorten, statusLines } from './status-text.js';

/** Seconds between two looks. */
const EVERY = 1;
/** xterm's control sequences: another screen without a cursor, and back. */
const ENTER = '\u001b[?1049h\u001b[?25l';
const LEAVE = '\u001b[?25h\u001b[?1049l';

/** Shows the state of every token until it is told to end: in place on a terminal, else anew when it has changed. */
export async function watch(context: Context): Promise<number> {
  const { app, terminal, signal } = context;
  const { stdout } = process;
  const draw = (): void => {
    const size = { columns: stdout.columns ?? 80, rows: stdout.rows ?? 24, color: terminal.color };
    const lines = frame(snapshot(app), app.settings.root, app.clock.now(), size);
    // In one piece, over what is there: nothing flickers.
    stdout.write(`\u001b[H${lines.map((line) => `${line}\u001b[K`).join('\n')}\u001b[J`);
  };
  let told = '';
  const tell = (): void => {
    const found = snapshot(app);
    const now = essence(found);
    if (now === told) return;
    if (told !== '') terminal.print('');
    for (const line of statusLines(found, app.clock.now(), terminal)) terminal.print(line);
    told = now;
  };
  if (!stdout.isTTY) {
    for (; !signal.aborted; await app.clock.sleep(EVERY, signal)) tell();
    return 0;
  }
  stdout.write(ENTER);
  stdout.on('resize', draw);
  try {
    for (; !signal.aborted; await app.clock.sleep(EVERY, signal)) draw();
  } finally {
    stdout.write(LEAVE);
  }
  return 0;
}

/** What changes by more than time going by. */
function essence({ instance, tokens, servers, problems }: Status): string {
  return JSON.stringify({ pid: instance.pid, tokens, servers, problems });
}

export interface Size {
  readonly columns: number;
  readonly rows: number;
  readonly color: boolean;
}

/** What needs attention first. */
const ORDER: readonly State[] = ['needs_login', 'needs_configuration', 'expired', 'failing', 'due', 'unknown', 'valid'];
const BAR = 10;

/** One picture of the whole, no larger than the screen. */
export function frame(status: Status, root: string, now: number, { columns, rows, color }: Size): string[] {
  const { instance, tokens, servers, problems } = status;
  const running = instance.running
    ? `running, PID ${instance.pid}`
    : instance.running === null
      ? `unknown: ${instance.reason}`
      : 'not running';
  const sorted = [...tokens].sort((a, b) => rank(a) - rank(b) || (a.expires_at ?? now) - (b.expires_at ?? now));
  const width = Math.max(5, ...sorted.map(({ name }) => name.length));
  // All columns but the first are as wide as their widest content can be.
  const name = (text: string): string => shorten(text, Math.max(12, Math.min(width, columns - 73)));
  const cut = (line: string): string => line.slice(0, columns);
  const row = (token: TokenStatus): string => {
    const { state, expires_at, next_refresh_at, last_attempt: last } = token;
    const cells = [
      state.replaceAll('_', ' ').padEnd(19),
      bar(token, now),
      when(expires_at, now).padEnd(10),
      when(next_refresh_at, now).padEnd(10),
      last ? `${last.outcome}${last.code ? ` (${last.code})` : ''}` : '-',
    ];
    const line = cut([name(token.name), ...cells].join('  '));
    return color ? styleText(COLORS[state], line) : line;
  };
  const room = Math.max(1, rows - 6);
  const shown = sorted.length > room ? sorted.slice(0, room - 1) : sorted;
  const rest = sorted.length - shown.length;
  const todo = sorted.find(({ action }) => action !== undefined);
  return [
    cut(`${running}   ${root}   ${new Date(now * 1000).toTimeString().slice(0, 8)}`),
    '',
    cut([name('TOKEN'), 'STATE'.padEnd(19), 'LIFE'.padEnd(BAR), 'EXPIRES   ', 'REFRESH   ', 'LAST'].join('  ')),
    ...shown.map(row),
    ...(rest > 0 ? [`... and ${rest} more`] : []),
    '',
    cut(
      `${servers.filter(({ included }) => included).length} of ${servers.length} servers, ` +
        `${problems.length} problem${problems.length === 1 ? '' : 's'}${todo ? `; ${todo.name}: ${todo.action}` : ''}`,
    ),
  ];
}

function rank({ state }: TokenStatus): number {
  return ORDER.indexOf(state);
}

function when(at: number | null, now: number): string {
  return at === null ? '-' : relative(at - now);
}

/** How much of its life is left; of a token whose birth is not known, of the hour before it ends. */
function bar({ expires_at: ends, last_attempt: last }: TokenStatus, now: number): string {
  if (ends === null) return ' '.repeat(BAR);
  const life = last?.outcome === 'success' ? ends - last.at : 3600;
  const left = Math.round(BAR * Math.min(1, Math.max(0, (ends - now) / Math.max(1, life))));
  return '█'.repeat(left).padEnd(BAR, '░');
}
