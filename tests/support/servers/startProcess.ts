import { spawn } from "node:child_process";
import { closeSync, openSync, readFileSync } from "node:fs";

/** A process that is running or has ended. */
export interface StartedProcess {
  readonly pid: number;
  /** Resolves to the exit code, or to the signal that ended it. */
  readonly ended: Promise<number | NodeJS.Signals>;
  /** False after its end. */
  isAlive(): boolean;
  kill(signal: NodeJS.Signals): void;
}

/**
 * Starts a program and appends its output to the file `log`. It ends with this process, unless this process is killed.
 */
export function startProcess(
  [program, ...args]: readonly string[],
  { log, env, cwd }: { log: string; env?: NodeJS.ProcessEnv; cwd?: string },
): StartedProcess {
  const output = openSync(log, "a");
  const child = spawn(program, args, { stdio: ["ignore", output, output], env: { ...process.env, ...env }, cwd });
  closeSync(output);
  const killWithThis = () => child.kill("SIGKILL");
  process.once("exit", killWithThis);
  const ended = new Promise<number | NodeJS.Signals>((resolve, reject) => {
    child.once("error", reject);
    child.once("exit", (code, signal) => resolve((code ?? signal) as number | NodeJS.Signals));
  }).finally(() => process.off("exit", killWithThis));
  // If a program cannot be started, `untilAnswers` reports the error.
  ended.catch(() => {});
  return {
    pid: child.pid ?? 0,
    ended,
    isAlive: () => child.pid !== undefined && child.exitCode === null && child.signalCode === null,
    kill: (signal) => child.kill(signal),
  };
}

/**
 * Waits until an address answers with status 200. Throws, with the end of the process's log, if the process ends before
 * that or takes longer than `seconds`.
 */
export async function untilAnswers(url: string, started: StartedProcess, log: string, seconds = 120): Promise<void> {
  const end = performance.now() + 1000 * seconds;
  while (started.isAlive() && performance.now() < end) {
    const response = await fetch(url, { signal: AbortSignal.timeout(2000) }).catch(() => null);
    await response?.body?.cancel();
    if (response?.ok) return;
    await new Promise((resolve) => setTimeout(resolve, 200));
  }
  const tail = readFileSync(log, "utf8").trimEnd().split("\n").slice(-15).join("\n");
  const how = started.isAlive() ? `did not answer within ${seconds} s` : `ended: ${await started.ended}`;
  throw new Error(`the process that should answer at ${url} ${how}\n${tail}`);
}
