import { Refusal } from '../daemon/credentials.js';
import { isRecord } from '../ground/problem.js';
import { foreignText, type Redactor } from '../ground/secret.js';
import { HttpFailure, type RpcError, Unreachable } from '../ports/mcp.js';
import { cleaned } from './known-secrets.js';

/** JSON-RPC's first code for errors of an implementation's own. */
const SERVER_ERROR = -32_000;
const MOST_QUOTED = 200;
/** Of a body, in which tags and white space may be most. */
const MOST_READ = 16 * 1024;

/** What the client is told of a request that could not be answered, without the secrets that the server may say back. */
export function errorOf(error: unknown, redactor: Redactor): RpcError {
  if (error instanceof Refusal) {
    const message = redactor.redact(error.message);
    return { code: SERVER_ERROR, message, ...(error.command && { data: { command: error.command } }) };
  }
  // What the server has to say about the request, the client is to hear as if it had asked itself.
  if (error instanceof HttpFailure) {
    const said = rpcErrorIn(error.body);
    return said ? (cleaned(said, redactor) as RpcError) : { code: SERVER_ERROR, message: quoted(error, redactor) };
  }
  if (error instanceof Unreachable) return { code: SERVER_ERROR, message: `${error.message}; nothing was sent` };
  const why = foreignText(error instanceof Error ? error.message : String(error), redactor, MOST_QUOTED);
  return { code: SERVER_ERROR, message: `no answer came, and the request may have been carried out: ${why}` };
}

/** Whether the server says that the session is unknown to it; it has not looked at the request then. */
export function isSessionLost(error: unknown): boolean {
  if (!(error instanceof HttpFailure)) return false;
  // 404 is the specification's word; with 400, servers on the TypeScript SDK's example say it as a general error, and
  // the Python SDK did so, until 2026, in a plain sentence: "No valid session ID provided".
  if (error.status !== 400) return error.status === 404;
  const said = rpcErrorIn(error.body);
  return said ? said.code === SERVER_ERROR : /session/i.test(error.body);
}

function rpcErrorIn(body: string): RpcError | null {
  try {
    const parsed: unknown = JSON.parse(body);
    const error = isRecord(parsed) ? parsed.error : null;
    return isRecord(error) && Number.isInteger(error.code) && typeof error.message === 'string'
      ? (error as unknown as RpcError)
      : null;
  } catch {
    return null;
  }
}

function quoted({ status, body }: HttpFailure, redactor: Redactor): string {
  const text = redactor
    // Before anything else is taken out, which may stand inside a secret.
    .redact(body.slice(0, MOST_READ))
    .replace(/<[^<>]*>/g, ' ')
    // A server that says back what it was sent.
    .replace(/\b(Bearer|Basic)\s+\S+/gi, '$1 [redacted]')
    .replace(/\s+/g, ' ');
  const said = foreignText(text, redactor, MOST_QUOTED);
  return `the server answers with HTTP ${status}${said === '' ? '' : `: ${said}`}`;
}
