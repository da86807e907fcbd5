import { ServingError } from "../api/api.ts";
import { unavailable } from "./adapterPlace.ts";

/**
 * Returns the error of a store that cannot be used. Clients read "the store" and `problem`; its
 * `detail`, which may have paths, addresses and keys of objects, is the cause, for logs.
 */
export function storeFailure(problem: string, detail: string, cause?: unknown): ServingError {
  return unavailable(`the store ${problem}`, new Error(detail, { cause }));
}

/**
 * Returns the error of a failed operation on a disk: `insufficient_storage` if it is full, else
 * `unavailable`. `what` is "read" or "written". The cause, for logs, has the path.
 */
export function diskFailure(error: unknown, what: "read" | "written", label: string): ServingError {
  const code = codeOf(error);
  const { message } = error as Error;
  if (code !== "ENOSPC" && code !== "EDQUOT") {
    const shown = code === null ? "" : ` (${code})`;
    return storeFailure(`cannot be ${what}${shown}`, `${label} cannot be ${what}: ${message}`, error);
  }
  return fullStore(label, message, error);
}

/** Returns the error of a store without room. */
export function fullStore(label: string, detail: string, cause?: unknown): ServingError {
  const error = new ServingError("insufficient_storage", "the store is full; ask its operator to make room");
  error.cause = new Error(`${label}: ${detail}`, { cause });
  return error;
}

/** Returns the text of an error for an operator: with what a store keeps from its clients. */
export function operatorText(error: Error): string {
  const { cause, message } = error;
  return error instanceof ServingError && cause instanceof Error ? `${message}: ${cause.message}` : message;
}

/** Returns the code that Node gives an error, or one of its causes. */
function codeOf(error: unknown): string | null {
  for (let found = error; found instanceof Error; found = found.cause) {
    const { code } = found as NodeJS.ErrnoException;
    if (typeof code === "string") return code;
  }
  return null;
}
