import type { Compressors } from "hyparquet";
import { compressors as all } from "hyparquet-compressors";

/** The maximum bytes of an uncompressed page. Writers make pages of about 1 MB. */
export const mostPageBytes: number = 2 ** 27;

/** The library's decompressors, with a limit on the page size. */
export const compressors: Compressors = Object.fromEntries(
  Object.entries(all).map(([codec, decompress]) => [
    codec,
    (packed: Uint8Array, length: number) => {
      // The library's LZ4 fails for a block of zero bytes, which a column of empty values has.
      if (length === 0) return new Uint8Array(0);
      if (length > mostPageBytes) throw new Error(`a page says that it has ${length} bytes`);
      return decompress(packed, length);
    },
  ]),
);
