/**
 * Number of ids after which a part of the list becomes an Int32Array. A single array of millions of ids would be copied
 * many times while it grows.
 */
const idsInPiece = 65_536;

/** Collects the ids of a long text without copying them again and again. */
export class IdList {
  readonly #pieces: Int32Array[] = [];
  #last: number[] = [];

  push(id: number): void {
    if (this.#last.length === idsInPiece) {
      this.#pieces.push(Int32Array.from(this.#last));
      this.#last = [];
    }
    this.#last.push(id);
  }

  toArray(): number[] {
    if (this.#pieces.length === 0) return this.#last;
    const ids = new Array<number>(this.#pieces.length * idsInPiece + this.#last.length);
    let at = 0;
    for (const piece of [...this.#pieces, this.#last]) for (const id of piece) ids[at++] = id;
    return ids;
  }
}
