import type { Server } from "node:http";
import type { Socket } from "node:net";
import { serve } from "@hono/node-server";
import { checkOptions } from "@lowrank/core/internal";
import { defaultLimits, timerMs } from "./requests/limits.ts";

/** HTTP server that accepts connections. */
export interface Listening {
  readonly url: string;
  readonly port: number;
  /** Accepts no more connections, and resolves when the last answer has been sent. */
  close(): Promise<void>;
}

/** Options for `listen`. */
export interface ListenOptions {
  /** Seconds after which a connection is closed if the client has stopped reading its answer. Default 60. */
  readonly sendSeconds?: number;
}

function unknownHost(_: number, host: string): string {
  return `${host} is no address, and no name of one; give another --host, such as 0.0.0.0`;
}

/** For each error code of Node, a function that returns an error message with the fix. */
const problems: Readonly<Record<string, (port: number, host: string) => string>> = {
  EADDRINUSE: (port, host) => `port ${port} of ${host} is taken by another process; end it, or give another --port`,
  EACCES: (port) => `port ${port} needs rights that this process lacks; give a --port above 1023`,
  EADDRNOTAVAIL: (_, host) => `${host} is no address of this machine; give another --host, such as 0.0.0.0`,
  ENOTFOUND: unknownHost,
  EAI_AGAIN: unknownHost,
};

/**
 * Starts Node's HTTP server for an app. The default host, 127.0.0.1, is reachable from this machine only. Port 0 picks
 * a free port. Throws an `Error` with the fix if the port is taken or the host is not an address of this machine.
 */
export async function listen(
  app: { fetch(request: Request): Response | Promise<Response> },
  port: number,
  host: string = "127.0.0.1",
  options: ListenOptions = {},
): Promise<Listening> {
  checkOptions<ListenOptions>("listen", options, { sendSeconds: true });
  const { sendSeconds = defaultLimits.sendSeconds } = options;
  const { promise, resolve, reject } = Promise.withResolvers<number>();
  const server = serve({ fetch: app.fetch, port, hostname: host }, (address) => resolve(address.port)) as Server;
  server.once("error", (error: NodeJS.ErrnoException) => {
    const problem = problems[error.code ?? ""];
    reject(problem ? new Error(problem(port, host), { cause: error }) : error);
  });
  server.on("request", (_, answer) => {
    // Node resets timeouts after the answer has been sent.
    answer.once("prefinish", () => {
      const socket: Partial<Socket> | null = answer.socket;
      // Connections of Deno and Bun lack this method.
      if (!answer.writableFinished) socket?.setTimeout?.(timerMs(sendSeconds));
    });
  });
  const bound = await promise;
  const name = host.includes(":") ? `[${host}]` : host;
  return {
    url: `http://${name}:${bound}`,
    port: bound,
    close: () =>
      new Promise<void>((done) => {
        // An idle connection after its last answer would keep the server open.
        const sweep = setInterval(() => server.closeIdleConnections(), 20);
        server.close(() => {
          clearInterval(sweep);
          done();
        });
      }),
  };
}
