/** Result of a matcher, as Vitest and Jest expect it. */
export interface MatcherResult {
  /** True if the value is as expected. */
  pass: boolean;
  /** Returns the message for a failed assertion: with `.not` if `pass` is true. */
  message: () => string;
}

/** Returns a result. `failed` describes why the assertion failed, `passed` why the negated one did. */
export function result(pass: boolean, failed: string, passed: string): MatcherResult {
  return { pass, message: () => (pass ? passed : failed) };
}
