import { ServingError } from "../api/api.ts";
import { unavailable } from "./adapterPlace.ts";

/**
 * Returns the error of a store that cannot be used. Clients see only `problem`. `detail` becomes the error's cause,
 * which is only logged, since it may contain paths, addresses and keys.
 */
export function storeFailure(problem: string, detail: string, cause?: unknown): ServingError {
  return unavailable(`the store ${problem}`, new Error(detail, { cause }));
}

/**
 * Returns the error of a failed disk operation: `insufficient_storage` if the disk is full, otherwise `unavailable`.
 * `what` is "read" or "written". The path is only in the error's cause, which is logged and not sent to clients.
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

/** Returns the error of a full store. */
export function fullStore(label: string, detail: string, cause?: unknown): ServingError {
  const error = new ServingError("insufficient_storage", "the store is full; ask its operator to make room");
  error.cause = new Error(`${label}: ${detail}`, { cause });
  return error;
}

/** Returns the text of an error for an operator, including details hidden from clients. */
export function operatorText(error: Error): string {
  const { cause, message } = error;
  return error instanceof ServingError && cause instanceof Error ? `${message}: ${cause.message}` : message;
}

/** Returns the `code` of a Node error, such as "ENOSPC", or of the first error in its chain of causes that has one. */
function codeOf(error: unknown): string | null {
  for (let found = error; found instanceof Error; found = found.cause) {
    const { code } = found as NodeJS.ErrnoException;
    if (typeof code === "string") return code;
  }
  return null;
}
