import { UnknownMethodError } from "@lowrank/peft";

/** Prints an error on stderr, in one line (with the stack if LOWRANK_DEBUG=1). */
export function reportFailure(error: unknown): void {
  const message = error instanceof Error ? error.message : String(error);
  const hint = error instanceof UnknownMethodError ? "; --plugin <file> reads a module that does so first" : "";
  console.error(`error: ${message}${hint}`);
  if (process.env.LOWRANK_DEBUG === "1") console.error(error);
}
