import { scope, softmax, topk } from "@lowrank/core";
import type { FileForm } from "../shared/fileForm.ts";

/**
 * Returns the smallest integer type that PEFT uses for indices below `count`: its safetensors dtype and the array
 * class.
 */
function indexType(count: number): {
  dtype: "U8" | "I16" | "I32";
  array: new (n: ArrayBuffer) => ArrayLike<number> & Iterable<number>;
} {
  if (count < 2 ** 8) return { dtype: "U8", array: Uint8Array };
  return count < 2 ** 15 ? { dtype: "I16", array: Int16Array } : { dtype: "I32", array: Int32Array };
}

/**
 * Returns the encoding of logits [m, n, numVectors] in files with `save_only_topk_weights`: the indices of the k
 * vectors of each mixture, [m, n, k], and all of their weights except the last, [m, n, k - 1]. When a file is read, the
 * logits of all other vectors become -∞.
 */
export function topkForm(numVectors: number, k: number): FileForm {
  const { dtype, array } = indexType(numVectors);
  return {
    parts: (key, { shape: [m, n] }) =>
      /\.vblora_logits_[AB]$/.test(key)
        ? [
            { name: `${key}_topk_indices`, dtype, shape: [m, n, k] },
            { name: `${key}_topk_weights`, dtype: "F32", shape: [m, n, k - 1] },
          ]
        : null,
    encode: async (logits) => {
      const [weights, indices] = scope(() => {
        const [best, positions] = topk(logits.detach(), k);
        return [softmax(best, { dim: -1 }).slice({ dim: -1, start: 0, end: k - 1 }), positions];
      });
      const bytes = await weights.bytes();
      const numbers = await indices.data();
      weights.dispose();
      indices.dispose();
      const packed = { U8: Uint8Array, I16: Int16Array, I32: Int32Array }[dtype].from(numbers);
      return [new Uint8Array(packed.buffer), bytes];
    },
    decode: ([indexBytes, weightBytes], { size }, label) => {
      const indices = new array(indexBytes.slice().buffer);
      for (const index of indices) {
        if (index < 0 || index >= numVectors) {
          throw new Error(`${label} has the vector index ${index}; expected 0 to ${numVectors - 1}`);
        }
      }
      const weights = new Float32Array(weightBytes.slice().buffer);
      const logits = new Float32Array(size).fill(Number.NEGATIVE_INFINITY);
      for (let lane = 0; lane < size / numVectors; lane++) {
        let last = 1;
        for (let i = 0; i < k; i++) {
          const weight = i < k - 1 ? weights[lane * (k - 1) + i] : last;
          logits[lane * numVectors + indices[lane * k + i]] = Math.log(weight);
          last = Math.fround(last - weight);
        }
      }
      return logits;
    },
  };
}
