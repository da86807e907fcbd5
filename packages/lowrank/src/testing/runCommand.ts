import { CommanderError } from "commander";
import { vi } from "vitest";
import { createProgram } from "../commands/program.ts";
import { reportFailure } from "../commands/reportFailure.ts";

/** Runs the command in this process, as bin.ts does. */
export async function lowrank(...args: string[]): Promise<{ status: number; stdout: string; stderr: string }> {
  let [stdout, stderr, status] = ["", "", 0];
  const output = {
    writeOut: (text: string) => {
      stdout += text;
    },
    writeErr: (text: string) => {
      stderr += text;
    },
  };
  const spies = [
    vi.spyOn(console, "log").mockImplementation((text) => output.writeOut(`${text}\n`)),
    vi.spyOn(console, "error").mockImplementation((text) => output.writeErr(`${text}\n`)),
  ];
  const program = createProgram([]);
  for (const command of program.commands) command.exitOverride().configureOutput(output);
  try {
    await program.parseAsync(args, { from: "user" });
  } catch (error) {
    if (error instanceof CommanderError) {
      status = error.exitCode;
    } else {
      reportFailure(error);
      [status, process.exitCode] = [1, undefined];
    }
  } finally {
    for (const spy of spies) spy.mockRestore();
  }
  return { status, stdout, stderr };
}
