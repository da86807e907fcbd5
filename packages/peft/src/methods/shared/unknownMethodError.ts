/** Thrown for a method name that is not registered. */
export class UnknownMethodError extends Error {
  override readonly name = "UnknownMethodError";
}
