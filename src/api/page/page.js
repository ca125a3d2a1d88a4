// Asks for the report every now and then and shows it. Names and reasons come from files of others: they are put in
// as text, never as markup.

const EVERY = 2000;
const PATIENCE = 5000;
const KEY = 'token-refresher-key';
/** Tokens that are shown at once. */
const PAGE = 50;
/** What needs attention first. */
const STATES = {
  needs_login: { label: 'needs a login', tone: 'bad' },
  needs_configuration: { label: 'needs configuration', tone: 'bad' },
  expired: { label: 'expired', tone: 'bad' },
  failing: { label: 'failing', tone: 'warn' },
  due: { label: 'due', tone: 'soon' },
  unknown: { label: 'end not known', tone: 'still' },
  valid: { label: 'valid', tone: 'good' },
};
const RESULTS = {
  success: 'success',
  dead: 'refused: the refresh token is dead',
  configuration: 'refused: the client is not right',
  transient: 'failed, will be tried again',
  lost: 'no answer came',
  local: 'not possible on this machine',
};
const UNITS = [
  [86_400, 'd'],
  [3600, 'h'],
  [60, 'min'],
  [1, 's'],
];

const page = document.documentElement;
const find = (id) => document.getElementById(id);
const rows = new Map();
let timer = 0;
/** The last report, when it came, and how far this machine's clock is from the daemon's. */
let shown = null;
let asking = null;
let awaySince = null;
/** What is looked for, and how many of those found come before the ones that are shown. */
let search = '';
let offset = 0;

/** As the program's own commands say it: one and a half of a unit is the least that is told in it. */
function length(seconds) {
  const [size, unit] = UNITS.find(([size]) => Math.abs(seconds) >= size * 1.5) ?? UNITS[3];
  return `${Math.round(Math.abs(seconds) / size)}\u00a0${unit}`;
}

const relative = (seconds) => (seconds >= 0 ? `in ${length(seconds)}` : `${length(seconds)} ago`);
const seconds = () => Date.now() / 1000;
const plural = (count, one) => `${count} ${one}${count === 1 ? '' : 's'}`;

function put(element, text) {
  if (element.textContent !== text) element.textContent = text;
}

/** A time for people: how far away, and which when they point at it. */
function putTime(element, at, now, prefix = '') {
  put(element, at === null ? `${prefix}-` : `${prefix}${relative(at - now)}`);
  const date = at === null ? '' : new Date(at * 1000).toLocaleString();
  if (element.title !== date) element.title = date;
}

/** From 0 to 1; of a token whose birth is not known, the share of the hour before it ends. Null: it has no end. */
function lifeLeft({ expires_at: ends, last_attempt: last }, now) {
  if (ends === null) return null;
  const life = last?.outcome === 'success' ? ends - last.at : 3600;
  return Math.min(1, Math.max(0, (ends - now) / Math.max(1, life)));
}

function expiryText({ expires_at: ends }, now) {
  if (ends === null) return 'nothing tells when it expires';
  return ends > now ? `expires ${relative(ends - now)}` : `expired ${relative(ends - now)}`;
}

function lastText({ last_attempt: last }, now) {
  if (!last) return 'none yet';
  const result = RESULTS[last.outcome] ?? last.outcome;
  return `${result}${last.code ? ` (${last.code})` : ''}, ${relative(Math.min(0, last.at - now))}`;
}

function rowOf(token) {
  const found = rows.get(token.name);
  if (found) return found;
  const element = find('token').content.firstElementChild.cloneNode(true);
  const part = (name) => element.querySelector(name);
  element.addEventListener('animationend', () => element.removeAttribute('data-lit'));
  const row = { element, part, ends: token.expires_at };
  rows.set(token.name, row);
  return row;
}

function showToken(token, now) {
  const row = rowOf(token);
  const { element, part } = row;
  const { label, tone } = STATES[token.state] ?? { label: token.state, tone: 'still' };
  element.dataset.tone = tone;
  element.dataset.state = token.state;
  put(part('.name'), token.name);
  put(part('.about'), [token.provider, token.server && `for ${token.server}`].filter(Boolean).join(' · '));
  put(part('.state'), label);
  const left = lifeLeft(token, now);
  const bar = part('.bar');
  const percent = left === null ? 0 : Math.round(left * 1000) / 10;
  part('.left').style.width = `${percent}%`;
  bar.setAttribute('aria-label', `Life left of ${token.name}`);
  bar.setAttribute('aria-valuenow', String(Math.round(percent)));
  bar.setAttribute('aria-valuetext', expiryText(token, now));
  bar.hidden = left === null;
  put(part('.expires'), expiryText(token, now));
  part('.expires').title = token.expires_at === null ? '' : new Date(token.expires_at * 1000).toLocaleString();
  const next = token.next_refresh_at;
  putTime(part('.next'), next, now);
  if (next !== null && next <= now) put(part('.next'), 'now');
  put(part('.last'), lastText(token, now));
  part('.last').title = token.last_attempt ? new Date(token.last_attempt.at * 1000).toLocaleString() : '';
  put(part('.why'), token.state === 'valid' && next !== null ? '' : token.reason);
  const command = token.action?.startsWith('token-refresher ') === true;
  part('.todo').toggleAttribute('data-any', token.action !== undefined);
  put(part('.todo .word'), token.action === undefined ? '' : command ? 'Run' : 'To do');
  put(part('.todo code'), token.action ?? '');
  if (row.ends !== token.expires_at) element.setAttribute('data-lit', '');
  row.ends = token.expires_at;
  return element;
}

/** Puts elements in this order, and moves only those that are out of it: what has the focus keeps it. */
function arrange(list, elements) {
  const wanted = new Set(elements);
  for (const child of [...list.children]) if (!wanted.has(child)) child.remove();
  for (const [index, element] of elements.entries()) {
    if (list.children[index] !== element) list.insertBefore(element, list.children[index] ?? null);
  }
}

function showLines(id, lines) {
  const section = find(id);
  section.hidden = lines.length === 0;
  const list = section.querySelector('ul');
  const text = JSON.stringify(lines);
  if (list.dataset.lines === text) return;
  list.dataset.lines = text;
  list.replaceChildren(
    ...lines.map(([what, why]) => {
      const item = document.createElement('li');
      const name = document.createElement('code');
      name.className = 'file';
      name.textContent = what;
      item.append(name, why);
      return item;
    }),
  );
}

function summaryOf({ tokens, attention, needs_login: logins }) {
  const all = plural(tokens, 'token');
  if (tokens === 0) return 'No tokens';
  if (attention === 0) return tokens === 1 ? 'The token is fresh' : `All ${all} are fresh`;
  return `${attention} of ${all} ${attention === 1 ? 'needs' : 'need'} ${logins === attention ? 'a login' : 'attention'}`;
}

/** Which of how many are shown, and the ways to the others. */
function showFinder({ tokens, matching }, shown) {
  find('finder').hidden = tokens <= PAGE && search === '';
  put(find('range'), shown === 0 ? '' : `${offset + 1}\u2013${offset + shown} of ${matching}`);
  find('before').disabled = offset === 0;
  find('after').disabled = offset + shown >= matching;
  find('no-match').hidden = shown > 0 || tokens === 0;
}

/** Of more than are told at once, how many there are besides. */
function withRest(lines, count) {
  return count > lines.length ? [...lines, [`${count - lines.length} more`, '']] : lines;
}

/** Shows the last report as of now: time goes by between two of them. */
function show() {
  if (!shown) return;
  const { report, ahead } = shown;
  const now = seconds() + ahead;
  const { tokens, servers, problems, instance, counts } = report;
  const names = new Set(tokens.map(({ name }) => name));
  for (const name of [...rows.keys()]) if (!names.has(name)) rows.delete(name);
  arrange(
    find('tokens'),
    tokens.map((token) => showToken(token, now)),
  );
  find('none').hidden = counts.tokens > 0;
  showFinder(counts, tokens.length);
  put(find('summary'), summaryOf(counts));
  document.title = counts.attention > 0 ? `(${counts.attention}) Tokens` : 'Tokens';
  put(find('instance'), instance.running ? `PID ${instance.pid}, started ${relative(instance.since - now)}` : '');
  showLines(
    'problems',
    withRest(
      problems.map(({ file, pointer, message }) => [`${file}${pointer && ` ${pointer}`}`, message]),
      counts.problems,
    ),
  );
  showLines(
    'left-out',
    withRest(
      servers.map(({ key, reason }) => [key, reason ?? 'for no known reason']),
      counts.left_out,
    ),
  );
  find('report').hidden = false;
}

function tellTrouble(text) {
  put(find('trouble'), text);
  find('trouble').hidden = text === '';
}

/** Shows what is known of the daemon itself. */
function showDaemon() {
  page.dataset.daemon = awaySince === null ? (shown ? 'here' : '') : 'away';
  if (awaySince !== null) {
    put(find('seen'), `no answer for ${length(seconds() - awaySince)}`);
    tellTrouble(`The daemon does not answer.${shown ? ' Below is what it said last.' : ''} This page goes on asking.`);
  } else put(find('seen'), shown ? 'live' : '');
}

function askForKey(trouble) {
  shown = null;
  rows.clear();
  find('tokens').replaceChildren();
  find('report').hidden = true;
  put(find('instance'), '');
  document.title = 'Tokens';
  find('ask').hidden = false;
  find('key').focus();
  tellTrouble(trouble);
}

/** Of several reports under way only the last counts. */
async function ask() {
  clearTimeout(timer);
  asking?.abort();
  const mine = new AbortController();
  asking = mine;
  const began = seconds();
  const key = sessionStorage.getItem(KEY);
  if (key === null && page.dataset.key === 'asked') return askForKey('');
  try {
    const response = await fetch(`admin/status?${new URLSearchParams({ limit: PAGE, offset, search })}`, {
      headers: key === null ? {} : { authorization: `Bearer ${key}` },
      cache: 'no-store',
      signal: AbortSignal.any([mine.signal, AbortSignal.timeout(PATIENCE)]),
    });
    if (response.status === 401) {
      sessionStorage.removeItem(KEY);
      page.dataset.key = 'asked';
      awaySince = null;
      askForKey(key === null ? '' : 'The daemon does not know this key.');
      return showDaemon();
    }
    if (!response.ok) throw new Error(`status ${response.status}`);
    const report = await response.json();
    if (mine.signal.aborted) return;
    awaySince = null;
    shown = { report, ahead: report.now - (began + seconds()) / 2 };
    // Those that were shown may be gone by now.
    if (report.tokens.length === 0 && offset > 0) return turnTo(0);
    find('ask').hidden = true;
    tellTrouble('');
  } catch {
    if (mine.signal.aborted) return;
    awaySince ??= began;
  }
  show();
  showDaemon();
  if (document.visibilityState === 'visible') timer = setTimeout(ask, EVERY);
}

find('ask').addEventListener('submit', (event) => {
  event.preventDefault();
  const key = find('key').value.trim();
  find('key').value = '';
  // A header holds no other characters, and no key has them.
  if (!/^[\x21-\x7e]+$/.test(key)) return askForKey('The daemon does not know this key.');
  sessionStorage.setItem(KEY, key);
  ask();
});
/** The page that begins after so many. */
function turnTo(next) {
  offset = Math.max(0, next);
  ask();
}
find('before').addEventListener('click', () => turnTo(offset - PAGE));
find('after').addEventListener('click', () => turnTo(offset + PAGE));
find('search').addEventListener('input', () => {
  search = find('search').value;
  turnTo(0);
});
document.addEventListener('visibilitychange', () => {
  if (document.visibilityState === 'visible') ask();
  else clearTimeout(timer);
});
setInterval(() => {
  if (document.visibilityState !== 'visible') return;
  show();
  showDaemon();
}, 1000);
ask();
