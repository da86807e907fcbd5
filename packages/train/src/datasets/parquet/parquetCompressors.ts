import type { Compressors } from "hyparquet";
import { compressors as all } from "hyparquet-compressors";

/** The most bytes that an unpacked page of a column may have; writers make pages of 1 MB. */
export const mostPageBytes: number = 2 ** 27;

/** The library's compressors, for pages of a size that can be. */
export const compressors: Compressors = Object.fromEntries(
  Object.entries(all).map(([codec, decompress]) => [
    codec,
    (packed: Uint8Array, length: number) => {
      // The library's LZ4 fails at a block of no bytes, of which a column of empty values consists.
      if (length === 0) return new Uint8Array(0);
      if (length > mostPageBytes) throw new Error(`a page says that it has ${length} bytes`);
      return decompress(packed, length);
    },
  ]),
);
