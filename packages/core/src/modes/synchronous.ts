/**
 * Returns `result`, which a synchronous function has returned. Throws if it is a promise; `name` is the caller's name.
 */
export function expectSynchronous<T>(name: string, result: T): T {
  if (!(result instanceof Promise)) return result;
  // Without this handler, a rejection of the promise would also be reported as unhandled.
  result.catch(() => {});
  throw new Error(
    `${name}: the function returned a promise; it must be synchronous. Await outside of ${name}, and give it a synchronous function`,
  );
}
