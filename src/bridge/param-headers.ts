import { type MarkedArgument, markedArguments, paramHeaders } from '../ground/mcp-param.js';
import { isRecord } from '../ground/problem.js';
import type { Message } from '../ports/mcp.js';

/** The headers that repeat arguments of a call, as the schemas that went by ask for them. */
export interface ParamHeaders {
  /** Takes note of the answer to a `tools/list`. */
  learn(answer: Message): void;
  of(message: Message): Record<string, string>;
}

export function createParamHeaders(): ParamHeaders {
  const tools = new Map<string, readonly MarkedArgument[]>();
  return {
    learn({ result }) {
      const listed: unknown = result?.tools;
      for (const tool of Array.isArray(listed) ? listed : []) {
        if (isRecord(tool) && typeof tool.name === 'string') tools.set(tool.name, markedArguments(tool.inputSchema));
      }
    },
    of({ method, params }) {
      const marked = method === 'tools/call' ? tools.get(String(params?.name)) : undefined;
      return marked ? paramHeaders(marked, params?.arguments) : {};
    },
  };
}
