import { type ChildProcess, spawn } from "node:child_process";
import { join } from "node:path";

/** Running process of the command. */
export interface Started {
  readonly child: ChildProcess;
  /** Returns everything that it has written to stderr. */
  readonly stderr: () => string;
  /** Sends SIGTERM and waits for the exit code. Kills the process if it does not end in time. */
  stop(): Promise<number | null>;
  /** Kills the process, as a power cut would, and waits for its end. */
  kill(): Promise<void>;
}

/** Runs the command as a child process, and waits until stderr matches `ready`. */
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
