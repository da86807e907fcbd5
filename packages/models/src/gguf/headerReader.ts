/** Thrown by `HeaderReader` if the bytes end before the header does. */
export class HeaderCutOff extends Error {}

const maxDepth = 4;

/** Reads numbers, texts and typed values of a GGUF header (version 2 or 3, little-endian), one after the other. */
export class HeaderReader {
  /** Offset of the next byte to read. */
  at: number;
  readonly #bytes: Uint8Array;
  readonly #view: DataView;
  // A token of Llama's vocabulary is a byte order mark, so the decoder must not remove it.
  readonly #decoder = new TextDecoder("utf-8", { ignoreBOM: true });

  constructor(bytes: Uint8Array, start: number) {
    this.#bytes = bytes;
    this.#view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
    this.at = start;
  }

  u32(): number {
    return this.#view.getUint32(this.#take(4), true);
  }

  /** Reads a 64-bit size or offset. Values above 2^53 are rounded; no file is that long. */
  size(): number {
    return Number(this.#view.getBigUint64(this.#take(8), true));
  }

  text(): string {
    const length = this.size();
    const start = this.#take(length);
    return this.#decoder.decode(this.#bytes.subarray(start, start + length));
  }

  /** Reads a value and the name of its type, as in gguf-py. A list has the type "ARRAY/" followed by its item type. */
  typedValue(): { type: string; value: unknown } {
    const type = this.#type();
    if (type !== "ARRAY") return { type, value: this.#value(type, 0) };
    const item = this.#type();
    return { type: `ARRAY/${item}`, value: this.#list(item, 0) };
  }

  #type(): string {
    const id = this.u32();
    const type = ggufValueTypes[id];
    if (type === undefined) throw new Error(`a value has the unknown type ${id}`);
    return type;
  }

  #value(type: string, depth: number): unknown {
    const view = this.#view;
    switch (type) {
      case "UINT8":
        return view.getUint8(this.#take(1));
      case "INT8":
        return view.getInt8(this.#take(1));
      case "BOOL":
        return view.getUint8(this.#take(1)) !== 0;
      case "UINT16":
        return view.getUint16(this.#take(2), true);
      case "INT16":
        return view.getInt16(this.#take(2), true);
      case "UINT32":
        return this.u32();
      case "INT32":
        return view.getInt32(this.#take(4), true);
      case "FLOAT32":
        return view.getFloat32(this.#take(4), true);
      case "FLOAT64":
        return view.getFloat64(this.#take(8), true);
      case "UINT64":
        return exact(view.getBigUint64(this.#take(8), true));
      case "INT64":
        return exact(view.getBigInt64(this.#take(8), true));
      case "STRING":
        return this.text();
      default:
        return this.#list(this.#type(), depth + 1);
    }
  }

  #list(item: string, depth: number): unknown[] {
    if (depth > maxDepth) throw new Error(`its lists are nested more than ${maxDepth} deep`);
    const items: unknown[] = [];
    for (let left = this.size(); left > 0; left--) items.push(this.#value(item, depth));
    return items;
  }

  /** Advances by `length` bytes, and returns the offset of the first. Throws `HeaderCutOff` if fewer bytes are left. */
  #take(length: number): number {
    const start = this.at;
    if (start + length > this.#bytes.length) throw new HeaderCutOff();
    this.at += length;
    return start;
  }
}

/** Returns the value as a number if a number represents it exactly, otherwise the bigint itself. */
function exact(value: bigint): number | bigint {
  return Number.isSafeInteger(Number(value)) ? Number(value) : value;
}

/** GGUF metadata types, named as in gguf-py. The index is the type's id in a file. */
const ggufValueTypes = [
  "UINT8",
  "INT8",
  "UINT16",
  "INT16",
  "UINT32",
  "INT32",
  "FLOAT32",
  "BOOL",
  "STRING",
  "ARRAY",
  "UINT64",
  "INT64",
  "FLOAT64",
] as const;
