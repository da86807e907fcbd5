import { UnknownMethodError } from "@lowrank/peft";
import { styled } from "./colours.ts";

/**
 * Prints an error on stderr, in one line (with the stack if LOWRANK_DEBUG=1), and returns its
 * words.
 */
export function reportFailure(error: unknown): string {
  const message = error instanceof Error ? error.message : String(error);
  const hint = error instanceof UnknownMethodError ? "; --plugin <file> reads a module that does so first" : "";
  console.error(`${styled("red", "error:", process.stderr)} ${message}${hint}`);
  if (process.env.LOWRANK_DEBUG === "1") console.error(error);
  return message + hint;
}
