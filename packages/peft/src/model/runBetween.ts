/** Calls `before`, then `fn`, which may be async, and then `after`, even if `fn` throws. */
export function runBetween<T>(before: () => void, fn: () => T, after: () => void): T {
  before();
  let result: T;
  try {
    result = fn();
  } catch (error) {
    after();
    throw error;
  }
  if (result instanceof Promise) return result.finally(after) as T;
  after();
  return result;
}
