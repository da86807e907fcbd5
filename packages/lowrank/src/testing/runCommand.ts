import { Readable } from "node:stream";
import { format } from "node:util";
import { vi } from "vitest";
import { runCommandLine } from "../program/runCommandLine.ts";

/** Exit code and output of one run of the command. */
export interface Outcome {
  code: number | null;
  stdout: string;
  stderr: string;
}

/** Options for one run of the command. Variables of `env` are added to the process's own. */
export interface RunOptions {
  cwd?: string;
  stdin?: string;
  env?: Readonly<Record<string, string>>;
}

/** Runs so far. They share this process's streams and working folder, so each waits for the one before. */
let last: Promise<unknown> = Promise.resolve();

/**
 * Runs the command in this process, which has already loaded it and compiled its kernels. Tests of plugins, signals or
 * pipes need a child process: `process` of commandFolder.
 */
export function runCommand(args: readonly string[], options: RunOptions = {}): Promise<Outcome> {
  const run = last.then(() => runNow(args, options));
  last = run.catch(() => {});
  return run;
}

async function runNow(args: readonly string[], options: RunOptions): Promise<Outcome> {
  const outcome: Outcome = { code: null, stdout: "", stderr: "" };
  const writesTo = (stream: "stdout" | "stderr") => (text: string | Uint8Array) => {
    outcome[stream] += text;
    return true;
  };
  const saysTo =
    (stream: "stdout" | "stderr") =>
    (...words: unknown[]) =>
      writesTo(stream)(`${format(...words)}\n`);
  const spies = [
    // Vitest's console does not write to the process's streams.
    vi.spyOn(console, "log").mockImplementation(saysTo("stdout")),
    vi.spyOn(console, "warn").mockImplementation(saysTo("stderr")),
    vi.spyOn(console, "error").mockImplementation(saysTo("stderr")),
    vi.spyOn(process.stdout, "write").mockImplementation(writesTo("stdout")),
    vi.spyOn(process.stderr, "write").mockImplementation(writesTo("stderr")),
    vi.spyOn(process, "stdin", "get").mockReturnValue(Readable.from([options.stdin ?? ""]) as typeof process.stdin),
  ];
  const env = { LOWRANK_DEBUG: "", FORCE_COLOR: "0", ...options.env };
  const before = Object.keys(env).map((name) => [name, process.env[name]] as const);
  const cwd = process.cwd();
  try {
    Object.assign(process.env, env);
    process.chdir(options.cwd ?? cwd);
    outcome.code = await runCommandLine(args);
  } finally {
    process.chdir(cwd);
    for (const [name, value] of before) {
      if (value === undefined) delete process.env[name];
      else process.env[name] = value;
    }
    for (const spy of spies) spy.mockRestore();
  }
  return outcome;
}
