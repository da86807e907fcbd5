/** Hands on what is put in, in order, until it is closed; one reader takes it. */
export class Mailbox<T> {
  readonly #items: T[] = [];
  #closed = false;
  #error: Error | undefined;
  #wake = (): void => {};

  put(item: T): void {
    this.#items.push(item);
    this.#wake();
  }

  /** Ends the reading behind what was put in; an error is thrown there. */
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
