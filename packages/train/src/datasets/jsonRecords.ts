import { byteLines, joinBytes } from "./byteLines.ts";
import { cutOff, type DataRecord, parseJsonBytes, recordOf } from "./dataRecord.ts";

const blank: ReadonlySet<number> = new Set([9, 10, 13, 32]);

/** Yields one record for each line of a JSONL file. Skips blank lines. */
export async function* jsonLines(pieces: AsyncIterable<Uint8Array>, name: string): AsyncGenerator<DataRecord> {
  for await (const { bytes, line, offset, end } of byteLines(pieces)) {
    if (bytes.every((byte) => blank.has(byte))) continue;
    const span = { offset, length: bytes.length };
    yield recordOf(`${name}:${line}`, span, () => parseJsonBytes(bytes), end === "" ? cutOff : "");
  }
}

/**
 * Yields one record for each item of a JSON array, with the line on which the item starts. Keeps one item in memory at
 * a time. Throws if the file is not a JSON array.
 */
export async function* jsonArray(pieces: AsyncIterable<Uint8Array>, name: string): AsyncGenerator<DataRecord> {
  const scan = new ArrayScan(name);
  let read = 0;
  for await (const piece of pieces) {
    yield* scan.items(piece, read);
    read += piece.length;
  }
  yield* scan.end();
}

const [quote, backslash, comma, open, close, openBrace, closeBrace, lf] = Array.from('"\\,[]{}\n', (c) =>
  c.charCodeAt(0),
);

/** Finds where the items of a JSON array begin and end, in a file whose bytes arrive in chunks. */
class ArrayScan {
  readonly #name: string;
  #line = 1;
  /** Depth of nested brackets; -1 before the array, 0 after it. */
  #depth = -1;
  #inString = false;
  #escaped = false;
  /** The part of the current item that was in previous chunks. */
  #before: Uint8Array[] = [];
  /** The position at which the current item starts; null between items. */
  #start: { line: number; offset: number } | null = null;
  #count = 0;

  constructor(name: string) {
    this.#name = name;
  }

  *items(piece: Uint8Array, offset: number): Generator<DataRecord> {
    let from = 0;
    for (let i = 0; i < piece.length; i++) {
      const byte = piece[i];
      if (byte === lf) this.#line++;
      if (this.#inString) {
        if (this.#escaped) this.#escaped = false;
        else if (byte === backslash) this.#escaped = true;
        else if (byte === quote) this.#inString = false;
        continue;
      }
      if (blank.has(byte)) continue;
      if (this.#depth < 1) {
        this.#outside(byte, offset + i);
        continue;
      }
      if (this.#depth === 1 && (byte === comma || byte === close)) {
        if (byte === close) this.#depth = 0;
        if (byte === comma || this.#start || this.#count > 0) yield this.#item(piece.subarray(from, i));
        continue;
      }
      if (!this.#start) {
        this.#start = { line: this.#line, offset: offset + i };
        from = i;
      }
      if (byte === quote) this.#inString = true;
      else if (byte === open || byte === openBrace) this.#depth++;
      else if ((byte === close || byte === closeBrace) && this.#depth > 1) this.#depth--;
    }
    if (this.#start) this.#before.push(piece.subarray(from));
  }

  /** Must be called at the end of the file. Yields a record with an error if the array is not closed. */
  *end(): Generator<DataRecord> {
    if (this.#depth === 0) return;
    const where = `${this.#name}:${this.#start?.line ?? this.#line}`;
    const error = new Error(`not valid JSON (the array has no end)${cutOff}`);
    yield { value: undefined, where, error };
  }

  /**
   * Processes a byte outside of the array that is not white space. Throws unless the byte opens the array or belongs to
   * a byte order mark before it.
   */
  #outside(byte: number, offset: number): void {
    if (this.#depth < 0 && byte === open) this.#depth = 1;
    else if (this.#depth === 0)
      throw new Error(`${this.#name}:${this.#line}: unexpected text after the end of the JSON array`);
    else if (offset > 2 || byte < 0x80) throw new Error(`${this.#name}: expected a JSON array of examples`);
  }

  #item(rest: Uint8Array): DataRecord {
    this.#count++;
    if (!this.#start) return recordOf(`${this.#name}:${this.#line}`, undefined, () => parseJsonBytes(new Uint8Array()));
    const { line, offset } = this.#start;
    const bytes = joinBytes([...this.#before, rest]);
    this.#before = [];
    this.#start = null;
    return recordOf(`${this.#name}:${line}`, { offset, length: bytes.length }, () => parseJsonBytes(bytes));
  }
}
