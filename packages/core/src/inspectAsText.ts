/** Makes the console of Node show `toString()` of all objects with this prototype. */
export function inspectAsText(prototype: { toString(): string }): void {
  Object.defineProperty(prototype, Symbol.for("nodejs.util.inspect.custom"), {
    value(this: { toString(): string }) {
      return this.toString();
    },
  });
}
