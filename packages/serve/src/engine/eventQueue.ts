/** Passes events from the engine to one reader, in order. */
export class EventQueue<T> {
  readonly #events: T[] = [];
  #wake: (() => void) | null = null;
  #end: { readonly error?: unknown } | null = null;

  push(event: T): void {
    if (this.#end) return;
    this.#events.push(event);
    this.#wake?.();
  }

  /** Ends the events; with an error, the reader gets that after those that came before. */
  end(failure: { readonly error?: unknown } = {}): void {
    this.#end ??= failure;
    this.#wake?.();
  }

  async *[Symbol.asyncIterator](): AsyncGenerator<T, void, void> {
    for (;;) {
      yield* this.#events.splice(0);
      if (this.#events.length > 0) continue;
      if (this.#end) {
        if ("error" in this.#end) throw this.#end.error;
        return;
      }
      await new Promise<void>((resolve) => {
        this.#wake = resolve;
      });
      this.#wake = null;
    }
  }
}
