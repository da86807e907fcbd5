import type { JsonFields } from "../config/jsonFields.ts";
import { inverseFrequencies } from "../rope/rope.ts";

/**
 * Settings of a rotary embedding: its base `theta`, the size of a head, and the frequency divisors of the tensor
 * `rope_freqs.weight`. The divisors are undefined if the file lacks that tensor.
 */
interface Rope {
  theta: number;
  headDim: number;
  factors: Float32Array | undefined;
}

/** The settings of Llama 3.1, 3.2 and 3.3 in `rope_scaling`, except `factor`, which differs between them. */
const llama3 = { rope_type: "llama3", low_freq_factor: 1, high_freq_factor: 4, original_max_position_embeddings: 8192 };

/**
 * Returns transformers' `rope_scaling` for a GGUF file; null if there is no scaling. Supports linear scaling and the
 * scaling of Llama 3.1 to 3.3, for which GGUF stores only a divisor for each frequency. Throws if the divisors do not
 * match the settings of Llama 3.1 to 3.3, and for any other kind of scaling.
 */
export function ropeScaling(
  metadata: JsonFields,
  key: (name: string) => string,
  { theta, headDim, factors }: Rope,
): Record<string, unknown> | null {
  if (factors) return llama3Scaling(metadata.where, { theta, headDim, factors });
  const legacy = metadata.number(key("rope.scale_linear"), 1);
  const type = metadata.oneOf(key("rope.scaling.type"), ["none", "linear"], legacy === 1 ? "none" : "linear");
  if (type === "none") return null;
  return { rope_type: "linear", factor: metadata.number(key("rope.scaling.factor"), legacy) };
}

function llama3Scaling(
  where: string,
  { theta, headDim, factors }: Rope & { factors: Float32Array },
): Record<string, unknown> {
  const factor = Math.max(...factors);
  const plain = inverseFrequencies({ theta, scaling: null }, headDim);
  const scaled = inverseFrequencies(
    {
      theta,
      scaling: {
        type: "llama3",
        factor,
        lowFreqFactor: llama3.low_freq_factor,
        highFreqFactor: llama3.high_freq_factor,
        originalMaxPositionEmbeddings: llama3.original_max_position_embeddings,
      },
    },
    headDim,
  );
  // llama.cpp's converter computes the divisors in f32 and in another order, so they may differ slightly.
  const same = plain.every((f, i) => Math.abs(f / scaled[i] - factors[i]) <= 1e-5 * factors[i]);
  if (same && factors.length === plain.length) return { ...llama3, factor };
  throw new Error(
    `${where}: rope_freqs.weight is not the RoPE scaling of Llama 3.1 to 3.3, and no other scaling factors are supported`,
  );
}
