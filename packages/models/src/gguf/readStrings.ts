import { ggufValueTypes } from "./valueTypes.ts";

/** Bytes of the values of fixed size. */
const sizes: Readonly<Record<string, number>> = {
  UINT8: 1,
  INT8: 1,
  BOOL: 1,
  UINT16: 2,
  INT16: 2,
  UINT32: 4,
  INT32: 4,
  FLOAT32: 4,
  UINT64: 8,
  INT64: 8,
  FLOAT64: 8,
};

/**
 * The text values and text lists among `count` metadata entries, which begin at byte `start` of a GGUF file (version 2
 * or 3), by key. @huggingface/gguf loses a byte order mark at a text's start, which is a token of Llama's vocabulary, and
 * the end of a text where a 2 MB part that it reads ends.
 */
export function readStrings(file: Uint8Array, start: number, count: number): Map<string, string | string[]> {
  const view = new DataView(file.buffer, file.byteOffset, file.byteLength);
  const decoder = new TextDecoder("utf-8", { ignoreBOM: true });
  let at = start;
  /** Goes on by `length` bytes, and gives where they begin. */
  const take = (length: number): number => {
    at += length;
    return at - length;
  };
  const u32 = () => view.getUint32(take(4), true);
  const u64 = () => Number(view.getBigUint64(take(8), true));
  const text = () => {
    const length = u64();
    const from = take(length);
    return decoder.decode(file.subarray(from, from + length));
  };
  /** Goes past a value that holds no text to give. */
  const skip = (type: string): void => {
    if (type === "STRING") take(u64());
    else if (type === "ARRAY") skipAll(ggufValueTypes[u32()], u64());
    else take(sizes[type]);
  };
  const skipAll = (type: string, items: number): void => {
    if (type in sizes) take(sizes[type] * items);
    else for (let i = 0; i < items; i++) skip(type);
  };

  const found = new Map<string, string | string[]>();
  for (let i = 0; i < count; i++) {
    const key = text();
    const type = ggufValueTypes[u32()];
    if (type === "STRING") {
      found.set(key, text());
    } else if (type === "ARRAY") {
      const item = ggufValueTypes[u32()];
      const items = u64();
      if (item === "STRING") found.set(key, Array.from({ length: items }, text));
      else skipAll(item, items);
    } else {
      skip(type);
    }
  }
  return found;
}
