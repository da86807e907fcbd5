import { type ChildProcess, execFileSync, spawn } from "node:child_process";
import { freePorts } from "./freePorts.ts";

/** True if a Redis server can be started. */
export const hasRedis: boolean = (() => {
  try {
    execFileSync("redis-server", ["--version"], { stdio: "ignore" });
    return true;
  } catch {
    return false;
  }
})();

/** A Redis server of a test, which writes everything to its append-only file, and can be stopped and restarted. */
export interface RedisServer {
  readonly url: string;
  /** Ends it, orderly (SIGTERM) or as a power cut does (SIGKILL), and starts it on the same file. */
  restart(signal: "SIGTERM" | "SIGKILL"): Promise<void>;
  stop(): Promise<void>;
}

/** Starts a Redis server on a free port, with its files in a folder. */
export async function startRedis(folder: string): Promise<RedisServer> {
  const [port] = await freePorts(1);
  const args = ["--port", `${port}`, "--dir", folder, "--appendonly", "yes", "--appendfsync", "always", "--save", ""];
  const start = async (): Promise<ChildProcess> => {
    const child = spawn("redis-server", args, { stdio: ["ignore", "pipe", "inherit"] });
    await new Promise<void>((resolve, reject) => {
      child.stdout.on("data", (text) => {
        if (String(text).includes("Ready to accept connections")) resolve();
      });
      child.once("exit", (code) => reject(new Error(`redis-server ended with ${code}`)));
    });
    return child;
  };
  const end = async (child: ChildProcess, signal: "SIGTERM" | "SIGKILL") => {
    const ended = new Promise((resolve) => child.once("exit", resolve));
    child.kill(signal);
    await ended;
  };
  let running = await start();
  return {
    url: `redis://127.0.0.1:${port}`,
    restart: async (signal) => {
      await end(running, signal);
      running = await start();
    },
    stop: () => end(running, "SIGKILL"),
  };
}
