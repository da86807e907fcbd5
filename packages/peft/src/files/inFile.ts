/** Runs a function and names the file in what it throws, so that users know what to look at. */
export function inFile<T>(label: string, fn: () => T): T {
  try {
    return fn();
  } catch (error) {
    throw named(label, error);
  }
}

/** The same for what takes its time. */
export async function inFileAsync<T>(label: string, fn: () => Promise<T>): Promise<T> {
  try {
    return await fn();
  } catch (error) {
    throw named(label, error);
  }
}

/** Returns an error that names the file; those of a class of their own stay as they are. */
function named(label: string, error: unknown): unknown {
  if (!(error instanceof Error) || error.constructor !== Error || error.message.includes(label)) return error;
  return new Error(`${label}: ${error.message}`, { cause: error });
}
