import type { IncomingMessage, Server } from 'node:http';
import type { Socket } from 'node:net';

interface Connection {
  /** The request that has come last, and whose answer has not been given. */
  request: IncomingMessage | null;
  /** Whether one was answered before. */
  answered: boolean;
}

/**
 * Bounds how many connections there are, so that files can still be opened. When one too many comes, the oldest gives
 * way that has never sent a whole request: it is silent, or sends byte by byte. Where all have, it is the oldest that
 * is not being answered.
 */
export function boundConnections(server: Server, most: number): void {
  /** Oldest first. */
  const open = new Map<Socket, Connection>();
  server.on('connection', (socket: Socket) => {
    if (open.size >= most) victimOf(open)?.destroy();
    open.set(socket, { request: null, answered: false });
    socket.once('close', () => open.delete(socket));
  });
  server.on('request', (request, response) => {
    const connection = open.get(request.socket);
    if (!connection) return;
    connection.request = request;
    response.once('close', () => {
      if (connection.request !== request) return;
      connection.answered ||= request.complete;
      connection.request = null;
    });
  });
}

function victimOf(open: ReadonlyMap<Socket, Connection>): Socket | null {
  let idle: Socket | null = null;
  let oldest: Socket | null = null;
  for (const [socket, { request, answered }] of open) {
    if (socket.destroyed) continue;
    if (!answered && !request?.complete) return socket;
    oldest ??= socket;
    if (!request?.complete) idle ??= socket;
  }
  return idle ?? oldest;
}
