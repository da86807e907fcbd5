/** Runs a function and adds the file's name to errors that it throws. */
export function inFile<T>(label: string, fn: () => T): T {
  try {
    return fn();
  } catch (error) {
    throw named(label, error);
  }
}

/** Runs an async function and adds the file's name to errors that it throws. */
export async function inFileAsync<T>(label: string, fn: () => Promise<T>): Promise<T> {
  try {
    return await fn();
  } catch (error) {
    throw named(label, error);
  }
}

/**
 * Returns an error whose message starts with the file's name. Errors of a subclass of `Error` are returned unchanged.
 */
function named(label: string, error: unknown): unknown {
  if (!(error instanceof Error) || error.constructor !== Error || error.message.includes(label)) return error;
  return new Error(`${label}: ${error.message}`, { cause: error });
}
