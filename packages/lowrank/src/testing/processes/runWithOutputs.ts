import { spawn } from "node:child_process";
import { closeSync, openSync } from "node:fs";
import { join } from "node:path";

/** Target of stdout or stderr. */
export type OutputPlace = "read" | "closed" | "/dev/full" | "/dev/null";

/** Options for a run of the command. */
export interface OutputsOptions {
  readonly cwd: string;
  /** "read" is a pipe that the test reads; "closed" is a pipe whose reader has ended. Default "read". */
  readonly stdout?: OutputPlace;
  readonly stderr?: OutputPlace;
  /** Text for stdin, which then closes; null leaves stdin open. Default "". */
  readonly stdin?: string | null;
  /** Called with the whole text so far and the process, after each new piece. */
  onText?(text: string, child: { kill(signal: NodeJS.Signals): boolean }): void;
  /** Called when the process has started. */
  onStart?(child: { kill(signal: NodeJS.Signals): boolean }): void;
}

/** Result of a run. */
export interface OutputsOutcome {
  readonly code: number | null;
  readonly signal: NodeJS.Signals | null;
  readonly stdout: string;
  readonly stderr: string;
}

/** Runs the command as a child process with redirected stdout and stderr. */
export function runWithOutputs(
  args: readonly string[],
  { cwd, stdout = "read", stderr = "read", stdin = "", onText, onStart }: OutputsOptions,
): Promise<OutputsOutcome> {
  const files: number[] = [];
  const target = (place: OutputPlace) => {
    if (!place.startsWith("/")) return "pipe";
    files.push(openSync(place, "w"));
    return files.at(-1);
  };
  return new Promise((resolve, reject) => {
    const child = spawn(process.execPath, [join(import.meta.dirname, "../../bin.ts"), ...args], {
      cwd,
      env: { ...process.env, LOWRANK_DEBUG: "" },
      stdio: ["pipe", target(stdout), target(stderr)],
    });
    files.forEach(closeSync);
    const outcome = { stdout: "", stderr: "" };
    for (const [name, place] of Object.entries({ stdout, stderr }) as ["stdout" | "stderr", OutputPlace][]) {
      if (place === "closed") child[name]?.destroy();
      child[name]?.on("data", (text) => {
        outcome[name] += text;
        onText?.(outcome.stdout + outcome.stderr, child);
      });
    }
    child.stdin?.on("error", () => {});
    if (stdin !== null) child.stdin?.end(stdin);
    child.on("error", reject);
    child.on("close", (code, signal) => resolve({ ...outcome, code, signal }));
    onStart?.(child);
  });
}
