/** Assigns each adapter of a model a small integer, the same in all layers. Released integers are reused. */
export class AdapterIndices {
  readonly #slots = new Map<string, number>();
  /** Released indices, available for new adapters. */
  readonly #free: number[] = [];

  /** The number of adapters with an index. */
  get count(): number {
    return this.#slots.size;
  }

  /** Returns an adapter's index. Assigns a free one to a new adapter. */
  of(name: string): number {
    const known = this.#slots.get(name);
    if (known !== undefined) return known;
    const slot = this.#free.pop() ?? this.#slots.size;
    this.#slots.set(name, slot);
    return slot;
  }

  /** Releases an adapter's index for reuse. */
  release(name: string): void {
    const slot = this.#slots.get(name);
    if (slot === undefined) return;
    this.#slots.delete(name);
    this.#free.push(slot);
  }
}
