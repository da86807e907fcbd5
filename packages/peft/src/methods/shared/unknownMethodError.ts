/** A method that is not known by its name, such as one from outside that nobody registered. */
export class UnknownMethodError extends Error {
  override readonly name = "UnknownMethodError";
}
