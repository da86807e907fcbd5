import type { OnDemandKernels } from "./onDemandKernels.ts";
import type { CodedProduct, NibbleProducts, NibbleTools } from "./weightProduct.ts";

/**
 * Returns the products with weights of low-bit codes, which are used as they are stored. The functions in `tools` are
 * passed, not imported: an import would split a chunk of pages that never load this module.
 */
export function nibbleProductsBy(
  later: OnDemandKernels,
  { sumsInShort, numberOf, bitsOf }: NibbleTools,
): NibbleProducts {
  /**
   * 15-bit codes times a weight that is read as its transpose. Under "medium", rows for 4-bit codes have 15 bits only
   * in blocks with outliers, otherwise 8.
   */
  const along: CodedProduct = (k, scratch, w, { x, out, rows, from, to }) => {
    // This must come first, since the width of sums determines the layout of the rows' codes.
    const inWords = bitsOf(w.dtype) === 6 ? 1 : sumsInShort(k, scratch);
    const isMixed = w.precision === "medium" && bitsOf(w.dtype) === 4;
    const own = scratch(isMixed ? later.mixedRowsBytes(rows, from) : k.int8RowsBytes(rows, from, 2));
    const quantize = isMixed ? later.quantizeMixed : later.quantizeInt15;
    if (quantize(x, own, rows, from, inWords) !== 0) return false;
    k.linearInt8(own, isMixed ? 3 : 2, w.ptr, numberOf(w), out, rows, to, from, 0, to, scratch(k.codesScratch()));
    return true;
  };

  /**
   * 8-bit codes times a weight of 4 or 5 bits, if 16-bit sums are faster. Otherwise a product of bytes and its sum are
   * one instruction, and codes of 7 bits are faster.
   */
  const across: CodedProduct = (k, scratch, w, { x, out, rows, from, to }) => {
    if (bitsOf(w.dtype) > 5 || from % 32 !== 0) return false;
    if (sumsInShort(k, scratch) === 0) return false;
    const own = scratch(later.int11RowsBytes(rows, from));
    if (later.quantizeInt11(x, own, rows, from) !== 0) return false;
    k.nibbleProduct(own, w.ptr, numberOf(w), out, rows, to, from, 0, to, scratch(later.nibbleProductScratch()));
    return true;
  };

  return { along, across, inBytes: later.quantizeBytes, bytesInWords: later.quantizeBytesInWords };
}
