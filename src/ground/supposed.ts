/**
 * Whether a value that is written out in a definition may be a secret. In doubt it is one: a server whose secrets stay
 * with the bridge works as any other, and a secret in a client's configuration is seen by whoever sees that.
 */

/** Words in the names of headers, variables, options and parameters that hold secrets. */
const SECRET_WORD =
  /auth|bearer|cookie|credential|cred$|jwt|key|pass|private|pwd|salt|secret|session|sig|signature|token|^(?:code|pat|pin|dsn|sas|x-?sso|otp|mfa|hmac|nonce)$|(?:^|[_.-])(?:pat|pin|dsn|sas|otp|cert)(?:$|[_.-])|conn(?:ection)?[_.-]?str/i;
/** Names that have such a word in them and hold none. */
const NOT_SECRET = /^(?:author|authors|keyboard|monkey|keyspace|bypass|compass|passthrough|design|signal|tokenizer)$/i;

/** Headers that every request may have. */
const PLAIN_HEADERS = new Set([
  'accept',
  'accept-charset',
  'accept-encoding',
  'accept-language',
  'cache-control',
  'content-language',
  'content-type',
  'dnt',
  'mcp-protocol-version',
  'origin',
  'pragma',
  'user-agent',
  'x-requested-with',
]);

/** On, off, and how many. */
const PLAIN_VALUE = /^(?:true|false|yes|no|on|off|none|null|auto|default|\*|-?\d{1,5}(?:\.\d{1,3})?)?$/i;
/** A word, a level, a language, a version, ... */
const PLAIN_WORD = /^[A-Za-z]{1,16}$|^[a-z]{2}[-_][A-Z]{2}(?:\.[\w-]+)?$|^v?\d+(?:\.\d+){1,3}$/;
/** Variables whose values say where and how. */
const PLAIN_VARIABLE =
  /(?:^|_)(?:level|path|dir|directory|folder|file|url|uri|host|hostname|port|region|zone|env|environment|mode|lang|timeout|format|encoding|version|name|debug|enabled|disabled|endpoint|proxy|tz|home|shell|term|user|username|options|opts)$/i;

export function namesSecret(name: string): boolean {
  return SECRET_WORD.test(name) && !NOT_SECRET.test(name);
}

export function isSupposedHeader(name: string, value: string): boolean {
  if (namesSecret(name) || looksSecret(value)) return true;
  return !PLAIN_HEADERS.has(name.toLowerCase()) && !PLAIN_VALUE.test(value);
}

export function isSupposedVariable(name: string, value: string): boolean {
  if (namesSecret(name)) return value !== '';
  if (looksSecret(value)) return true;
  return !PLAIN_VARIABLE.test(name) && !PLAIN_VALUE.test(value) && !PLAIN_WORD.test(value) && !/^\.{0,2}\//.test(value);
}

/** An option of a command line that takes a value, with that value or before it. */
const OPTION = /^(--?[A-Za-z][\w.-]*)(?:[=:](.*))?$/s;
const HEADER_OPTION = /^(?:-H|--headers?|--http-headers?)$/;
const ACCOUNT_OPTION = /^(?:-u|--user|--proxy-user)$/;

/** Which of the words of a command line. */
export function supposedArguments(words: readonly string[]): boolean[] {
  return words.map((word, index) => {
    const before = words[index - 1];
    return isSecretWord(word) || (before !== undefined && takesSecret(before, word));
  });
}

function isSecretWord(word: string): boolean {
  const [, option, value] = OPTION.exec(word) ?? [];
  if (option !== undefined) return (value !== undefined && takesSecret(option, value)) || looksSecret(value ?? '');
  const [, name, text] = /^([A-Za-z_][\w.-]*)[=:](.+)$/s.exec(word) ?? [];
  return looksSecret(word) || (name !== undefined && text !== undefined && namesSecret(name));
}

/** Whether an option's value is a secret: `--token X`, `--header "Authorization: X"`, `-u name:X`, `-e TOKEN=X`. */
function takesSecret(option: string, value: string): boolean {
  if (!option.startsWith('-') || /^-?-?(?:no|without|disable)-/i.test(option) || value === '') return false;
  if (HEADER_OPTION.test(option)) {
    const [, name = '', text = ''] = /^([^:=]*)[:=]?\s*(.*)$/s.exec(value) ?? [];
    return isSupposedHeader(name.trim(), text.trim());
  }
  if (ACCOUNT_OPTION.test(option)) return value.includes(':');
  if (option.includes('=')) return false;
  return namesSecret(option.replace(/^-+/, '')) && !value.startsWith('--') && !PLAIN_VALUE.test(value);
}

/** An address without what in it may be a secret: the user, the values of parameters, pieces of its path. */
export function openAddress(address: string): string {
  if (!isSupposedAddress(address)) return address;
  if (!URL.canParse(address)) return '';
  const url = new URL(address);
  const parameters = [...url.searchParams].filter(([name, value]) => !isSupposedParameter(name, value));
  url.username = '';
  url.password = '';
  url.hash = '';
  url.pathname = url.pathname
    .split('/')
    .map((piece) => (isSecretPiece(piece) ? 'hidden' : piece))
    .join('/');
  url.search = new URLSearchParams(parameters).toString();
  return url.href;
}

/** Whether there is anything in it that only the server may be told. */
export function isSupposedAddress(address: string): boolean {
  return URL.canParse(address) ? secretsInAddress(address).length > 0 : looksSecret(address);
}

/** What in an address may be a secret. */
export function secretsInAddress(address: string): string[] {
  if (!URL.canParse(address)) return [];
  const { username, password, searchParams, pathname, hash } = new URL(address);
  const pieces = pathname.split('/').filter(isSecretPiece);
  const values = [...searchParams].flatMap(([name, value]) => (isSupposedParameter(name, value) ? [value] : []));
  // What follows "#" is sent to nobody.
  const fragment = [...new URLSearchParams(hash.slice(1))].filter(([name, value]) => isSupposedParameter(name, value));
  return [username, password, ...values, ...pieces, ...fragment.map(([, value]) => value)].filter(
    (text) => text !== '',
  );
}

function isSupposedParameter(name: string, value: string): boolean {
  if (namesSecret(name)) return value !== '';
  return looksSecret(value) || !(PLAIN_VALUE.test(value) || PLAIN_WORD.test(value) || /^[\w.,:/ -]{1,24}$/.test(value));
}

function isSecretPiece(piece: string): boolean {
  try {
    return looksSecret(decodeURIComponent(piece));
  } catch {
    return true;
  }
}

/** Schemes and forms of well-known secrets. */
const KNOWN_FORMS: readonly RegExp[] = [
  /\b(?:bearer|basic|digest|apikey|token)\s+[^\s,;]{3,}/i,
  /\beyJ[\w-]{6,}\.[\w-]*/, // JWT
  /-----BEGIN [A-Z ]*PRIVATE KEY/,
  /\b(?:gh[opsur]_|github_pat_|glpat-|gldt-|xox[a-z]-|xapp-|sk-|sk_|rk_|pk_live_|whsec_|npm_|pypi-|hf_|ntn_|secret_|lin_api_|ATATT|ATCTT|SG\.|shp[a-z]{2}_|figd_|tvly-|pplx-|gsk_|r8_|dapi|dop_v1_|ya29\.|AIza|(?:AKIA|ASIA)[0-9A-Z]{12}|PMAK-|api[_-]?key[-_=:])[\w.+/=-]{3,}/,
  /:\/\/[^/?#\s]*:[^/?#\s]*@/, // an account in an address
  /[?&#;](?:[\w.-]*(?:auth|credential|key|pass|pwd|secret|session|sig|token)[\w.-]*)=[^&\s]/i,
];

/** Whether a text, whatever it is called, holds what looks like a secret. */
export function looksSecret(text: string): boolean {
  return KNOWN_FORMS.some((form) => form.test(text)) || randomRun(text);
}

/** Letters and digits, in a run of so many characters and two more. */
const SHORTEST_RUN = 14;

/** Whether there is a run of characters that changes its kind as often as only random ones do. */
function randomRun(text: string): boolean {
  for (const [run] of text.matchAll(/[\w+=-]{16,}/g)) {
    let changes = 0;
    let words = 0;
    let letters = 0;
    let last = '';
    for (const letter of run) {
      const kind = kindOf(letter);
      if (kind === '') continue;
      letters += 1;
      if (last === 'capital' && kind === 'small') words += 1;
      else if (last !== '' && kind !== last) changes += 1;
      last = kind;
    }
    if (
      letters >= SHORTEST_RUN &&
      (changes >= letters / 5 || changes + words >= letters / 2.2 || /^\d{20,}$/.test(run))
    )
      return true;
  }
  return false;
}

function kindOf(letter: string): '' | 'digit' | 'capital' | 'small' {
  if (/\d/.test(letter)) return 'digit';
  if (/[A-Z]/.test(letter)) return 'capital';
  return /[a-z]/.test(letter) ? 'small' : '';
}
