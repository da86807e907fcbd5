import { type ChildProcess, spawn } from "node:child_process";
import { join } from "node:path";

/** A process of the command that goes on until it is stopped. */
export interface Started {
  readonly child: ChildProcess;
  /** All that it has written to stderr. */
  readonly stderr: () => string;
  /** Asks it to end in good order, and waits for that; it is killed where it does not in time. */
  stop(): Promise<number | null>;
  /** Ends it at once, as a power cut does, and waits for that. */
  kill(): Promise<void>;
}

/** Starts the command as a user does, and waits until stderr shows `ready`. */
export async function startProcess(
  args: readonly string[],
  ready: RegExp,
  options: { cwd: string; env?: Readonly<Record<string, string>> },
): Promise<Started & { readonly match: RegExpExecArray }> {
  const child = spawn(process.execPath, [join(import.meta.dirname, "../bin.ts"), ...args], {
    cwd: options.cwd,
    env: { ...process.env, LOWRANK_DEBUG: "", ...options.env },
    stdio: ["ignore", "ignore", "pipe"],
  });
  let seen = "";
  const ended = new Promise<number | null>((resolve) => child.on("close", resolve));
  const match = await new Promise<RegExpExecArray>((resolve, reject) => {
    child.stderr.on("data", (text) => {
      seen += text;
      const found = ready.exec(seen);
      if (found) resolve(found);
    });
    child.on("error", reject);
    void ended.then((code) => reject(new Error(`lowrank ${args.join(" ")} ended with ${code}: ${seen}`)));
  });
  const kill = async () => {
    child.kill("SIGKILL");
    await ended;
  };
  return {
    ...{ child, match, kill },
    stderr: () => seen,
    stop: async () => {
      child.kill("SIGTERM");
      const late = setTimeout(() => child.kill("SIGKILL"), 60_000);
      return ended.finally(() => clearTimeout(late));
    },
  };
}
