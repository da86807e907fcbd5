import type { OnDemandKernels } from "./onDemandKernels.ts";
import type { CodedProduct, NibbleProducts, NibbleTools } from "./weightProduct.ts";

/**
 * Returns the products with weights of codes of few bits, which are taken as they are stored. Tools
 * are handed over and not imported, which would cut the chunk of a page that never loads this
 * module.
 */
export function nibbleProductsBy(
  later: OnDemandKernels,
  { sumsInShort, numberOf, bitsOf }: NibbleTools,
): NibbleProducts {
  /**
   * Codes of 15 bits times a weight that is read as its transpose. Under "medium" rows that meet
   * 4-bit codes have 15 bits by outliers alone, else 8.
   */
  const along: CodedProduct = (k, scratch, w, { x, out, rows, from, to }) => {
    // First, since codes of rows are laid out as they are summed.
    const inWords = bitsOf(w.dtype) === 6 ? 1 : sumsInShort(k, scratch);
    const isMixed = w.precision === "medium" && bitsOf(w.dtype) === 4;
    const own = scratch(isMixed ? later.mixedRowsBytes(rows, from) : k.int8RowsBytes(rows, from, 2));
    const quantize = isMixed ? later.quantizeMixed : later.quantizeInt15;
    if (quantize(x, own, rows, from, inWords) !== 0) return false;
    k.linearInt8(own, isMixed ? 3 : 2, w.ptr, numberOf(w), out, rows, to, from, 0, to, scratch(k.codesScratch()));
    return true;
  };

  /**
   * Codes of 8 bits times a weight of 4 or 5 bits, where sums of 16 bits are faster. Elsewhere a
   * product of bytes is one instruction with its sum, and codes of 7 bits take less time.
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
