/**
 * Number of ids in a list before it becomes an Int32Array. One list of millions of ids would be copied many times as it
 * grows.
 */
const idsInPiece = 65_536;

/** Collects the ids of a text. */
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
