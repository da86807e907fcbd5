/** A queue: one reader receives the items in order until the queue is closed. */
export class Mailbox<T> {
  readonly #items: T[] = [];
  #closed = false;
  #error: Error | undefined;
  #wake = (): void => {};

  put(item: T): void {
    this.#items.push(item);
    this.#wake();
  }

  /** Ends the reading after the queued items; the reader throws `error` if given. */
  close(error?: Error): void {
    this.#closed = true;
    this.#error = error;
    this.#wake();
  }

  async *read(): AsyncGenerator<T> {
    for (;;) {
      const item = this.#items.shift();
      if (item !== undefined) yield item;
      else if (this.#error) throw this.#error;
      else if (this.#closed) return;
      else await this.#arrival();
    }
  }

  #arrival(): Promise<void> {
    return new Promise((resolve) => {
      this.#wake = resolve;
    });
  }
}
