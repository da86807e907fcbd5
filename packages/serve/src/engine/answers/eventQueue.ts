/**
 * Number of unread events at which a sequence is paused. The sequence continues when half of the events have been read.
 */
const capacity = 128;

/** Queue of events from the engine to one reader, in order. */
export class EventQueue<T> {
  readonly #events: T[] = [];
  readonly #onRoom: () => void;
  #wake: (() => void) | null = null;
  #end: { readonly error?: unknown } | null = null;
  #isFull = false;

  /** `onRoom` is called when a full queue has been read down to half. */
  constructor(onRoom: () => void = () => {}) {
    this.#onRoom = onRoom;
  }

  /** True from the event that fills the queue until the reader has taken half of the events. */
  get isFull(): boolean {
    return this.#isFull;
  }

  /** Adds an event. A full queue accepts more events, since the engine first completes the running pass. */
  push(event: T): void {
    if (this.#end) return;
    this.#events.push(event);
    if (this.#events.length >= capacity) this.#isFull = true;
    this.#wake?.();
  }

  /** Ends the queue. If an error is given, the reader gets it after the events that are still waiting. */
  end(failure: { readonly error?: unknown } = {}): void {
    this.#end ??= failure;
    this.#wake?.();
  }

  /** Drops the waiting events, and rejects the reader's next read. */
  cancel(error: unknown): void {
    this.#events.length = 0;
    this.#end = { error };
    this.#wake?.();
  }

  async *[Symbol.asyncIterator](): AsyncGenerator<T, void, void> {
    for (;;) {
      while (this.#events.length > 0) {
        const event = this.#events.shift() as T;
        if (this.#isFull && this.#events.length <= capacity / 2) {
          this.#isFull = false;
          this.#onRoom();
        }
        yield event;
      }
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
