/** A small number for each adapter of a model, the same in all layers. It is used again. */
export class AdapterIndices {
  readonly #slots = new Map<string, number>();
  /** Numbers below `#slots.size + #free.length` that no adapter has. */
  readonly #free: number[] = [];

  /** The adapters that have a number. */
  get count(): number {
    return this.#slots.size;
  }

  /** Returns an adapter's number; a new one has none before. */
  of(name: string): number {
    const known = this.#slots.get(name);
    if (known !== undefined) return known;
    const slot = this.#free.pop() ?? this.#slots.size;
    this.#slots.set(name, slot);
    return slot;
  }

  /** Gives an adapter's number back. */
  release(name: string): void {
    const slot = this.#slots.get(name);
    if (slot === undefined) return;
    this.#slots.delete(name);
    this.#free.push(slot);
  }
}
