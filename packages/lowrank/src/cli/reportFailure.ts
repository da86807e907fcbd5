import { UnknownMethodError } from "@lowrank/peft";
import type { Command } from "commander";
import { flagsOf, inFlags } from "./inFlags.ts";
import { styled } from "./terminalView.ts";

/**
 * Prints an error on stderr, in which options have the names of the command's flags, and returns its message. Prints
 * one line, or the stack if LOWRANK_DEBUG=1.
 */
export function reportFailure(error: unknown, command: Command | null = null): string {
  const message = inFlags(error, command ? flagsOf(command) : () => null);
  const hint = error instanceof UnknownMethodError ? "; --plugin <file> reads a module that does so first" : "";
  console.error(`${styled("red", "error:", process.stderr)} ${message}${hint}`);
  if (process.env.LOWRANK_DEBUG === "1") console.error(error);
  return message + hint;
}
