import type { Compressors } from "hyparquet";
import { compressors as all } from "hyparquet-compressors";

/** Maximum size of an uncompressed page in bytes, to reject damaged files. Writers make pages of about 1 MB. */
export const mostPageBytes: number = 2 ** 27;

/** The Parquet library's decompressors, with `mostPageBytes` as the limit for a page. */
export const compressors: Compressors = Object.fromEntries(
  Object.entries(all).map(([codec, decompress]) => [
    codec,
    (packed: Uint8Array, length: number) => {
      // The library's LZ4 fails for empty blocks, which occur in columns whose values are all empty.
      if (length === 0) return new Uint8Array(0);
      if (length > mostPageBytes)
        throw new Error(`a page header states ${length} bytes; at most ${mostPageBytes} are supported`);
      return decompress(packed, length);
    },
  ]),
);
