import { Refusal } from '../daemon/credentials.js';
import { isRecord } from '../ground/problem.js';
import { HttpFailure, type RpcError, Unreachable } from '../ports/mcp.js';

/** JSON-RPC's first code for errors of an implementation's own. */
const SERVER_ERROR = -32_000;
const MOST_QUOTED = 200;

/** What the client is told of a request that could not be answered. */
export function errorOf(error: unknown): RpcError {
  if (error instanceof Refusal) {
    return { code: SERVER_ERROR, message: error.message, ...(error.command && { data: { command: error.command } }) };
  }
  // What the server has to say about the request, the client is to hear as if it had asked itself.
  if (error instanceof HttpFailure) return rpcErrorIn(error.body) ?? { code: SERVER_ERROR, message: quoted(error) };
  if (error instanceof Unreachable) return { code: SERVER_ERROR, message: `${error.message}; nothing was sent` };
  const why = error instanceof Error ? error.message : String(error);
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

function quoted({ status, body }: HttpFailure): string {
  const text = body
    .replace(/<[^<>]*>/g, ' ')
    // A server that says back what it was sent.
    .replace(/\b(Bearer|Basic)\s+\S+/gi, '$1 [redacted]')
    .replace(/[\s\p{Cc}\p{Cf}\p{Cs}]+/gu, ' ')
    .trim();
  return `the server answers with HTTP ${status}${text === '' ? '' : `: ${text.slice(0, MOST_QUOTED)}`}`;
}
