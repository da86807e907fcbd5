import type { OnDemandKernels } from "./onDemandKernels.ts";
import type { CodedProduct, NibbleProducts, NibbleTools } from "./weightProduct.ts";

/**
 * Returns the products that use low-bit weights as stored. `tools` holds functions that would normally be imported: an
 * import would split the bundle of pages that never load this module.
 */
export function nibbleProductsBy(
  later: OnDemandKernels,
  { sumsInShort, numberOf, bitsOf }: NibbleTools,
): NibbleProducts {
  /**
   * Computes X Wᵀ with 15-bit codes of X. Under "medium" and for 4-bit weights, X has 15-bit codes only in blocks with
   * outliers, otherwise 8-bit codes.
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
   * Computes X W with 8-bit codes of X and a weight of 4- or 5-bit codes, if 16-bit sums are faster here. Returns false
   * otherwise: 7-bit codes of the weight are faster then.
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
