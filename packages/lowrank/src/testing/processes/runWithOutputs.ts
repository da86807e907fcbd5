import { spawn } from "node:child_process";
import { closeSync, openSync } from "node:fs";
import { join } from "node:path";

/** The place that stdout or stderr leads to. */
export type OutputPlace = "read" | "closed" | "/dev/full" | "/dev/null";

/** Settings of a run of the command. */
export interface OutputsOptions {
  readonly cwd: string;
  /** "read": a pipe that is read. "closed": a pipe whose reader has ended. Default: "read". */
  readonly stdout?: OutputPlace;
  readonly stderr?: OutputPlace;
  /** The text on stdin, which then ends; null leaves it open. Default: none. */
  readonly stdin?: string | null;
  /** Called with the process and all of its text so far, whenever there is more. */
  onText?(text: string, child: { kill(signal: NodeJS.Signals): boolean }): void;
  /** Called when the process has started. */
  onStart?(child: { kill(signal: NodeJS.Signals): boolean }): void;
}

/** The end of a run. */
export interface OutputsOutcome {
  readonly code: number | null;
  readonly signal: NodeJS.Signals | null;
  readonly stdout: string;
  readonly stderr: string;
}

/** Starts the command as a user does, with stdout and stderr that lead elsewhere. */
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
