import type { OnDemandKernels } from "./onDemandKernels.ts";
import type { CodedProduct, NibbleProducts, NibbleTools } from "./weightProduct.ts";

/**
 * Returns the functions that multiply with low-bit weights as they are stored. `tools` contains functions of other
 * modules that are passed in, not imported. If this module imported them, bundlers would move them out of the main
 * bundle to a separate file. Every page would then download that file, even if it never loads this module.
 */
export function nibbleProductsBy(
  later: OnDemandKernels,
  { sumsInShort, numberOf, bitsOf }: NibbleTools,
): NibbleProducts {
  /**
   * Computes X Wᵀ with 15-bit codes of X. If the precision is "medium" and the weight has 4-bit codes, only blocks of X
   * with outliers get 15-bit codes; the other blocks get 8-bit codes. An outlier is an element with more than 4 times
   * the root mean square of its row.
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
   * Computes X W with 11-bit codes of X and a weight that is stored as 4- or 5-bit codes. Does nothing and returns
   * false if 16-bit sums are slower on this machine. The caller then converts the weight to 7-bit codes.
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
