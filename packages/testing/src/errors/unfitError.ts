/**
 * Thrown by a property that does not apply: the adapter cannot be added to the model, or the method lacks what the
 * property tests, such as a merge. `checkMethod` then draws another case.
 *
 * @example
 * ```ts
 * try {
 *   await mergeEqualsUnmerged(smallestModel, new PromptTuningConfig());
 * } catch (error) {
 *   if (error instanceof UnfitError) console.log(error.code, error.message);
 * }
 * ```
 */
export class UnfitError extends Error {
  override readonly name = "UnfitError";
  /** Stable code of the error. */
  readonly code = "does_not_apply";
}
