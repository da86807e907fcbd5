import type { Command, OptionValues } from "commander";
import { styled } from "../terminalView.ts";
import { type LostWrites, lostWrites } from "./guardOutput.ts";

/**
 * Commands that can write their result to files instead of stdout. For each, a function returns true if the given
 * options make the command write files.
 */
const savingCommands = new WeakMap<Command, (options: OptionValues) => boolean>();

/**
 * Marks a command that can write its result to a file or folder instead of stdout. `saves` returns true if the given
 * options make the command do this. Failed writes to stdout then do not make the command fail.
 */
export function savesResult(command: Command, saves: (options: OptionValues) => boolean): Command {
  savingCommands.set(command, saves);
  return command;
}

/** Exit code of a process that SIGPIPE ends. Shells expect it from `command | head -1`. */
const pipeClosed = 141;

/**
 * Returns the exit code of a command that succeeded. It is 0 if the result has been written. If the result was for
 * stdout and a write failed, the code is 141 for a closed pipe; for other failures it is 1, and an error is printed on
 * stderr.
 */
export async function codeOfOutput(command: Command | null): Promise<number> {
  // A pipe reports a failed write after the write has returned.
  await new Promise((resolve) => setImmediate(resolve));
  const lost = lostWrites("stdout");
  if (lost === null) return 0;
  const saves = command && savingCommands.get(command);
  if (command && saves?.(command.opts())) {
    console.error(`warning: ${describeLost(lost)}; the results are saved`);
    return 0;
  }
  if (lost.code === "EPIPE") return pipeClosed;
  const advice = lost.code === "ENOSPC" ? "make room, or write to another disk" : "write to a file or a pipe";
  console.error(`${styled("red", "error:", process.stderr)} ${describeLost(lost)}; ${advice}`);
  return 1;
}

function describeLost({ count, code }: LostWrites): string {
  return `stdout: ${count} ${count === 1 ? "write has" : "writes have"} failed (${code})`;
}
