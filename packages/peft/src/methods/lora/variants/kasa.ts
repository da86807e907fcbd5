import {
  add,
  affine,
  isPacked,
  matmul,
  mul,
  OptionError,
  sqrt,
  sub,
  sum,
  type Tensor,
  tensor,
  truncatedSvd,
} from "@lowrank/core";
import type { Linear } from "@lowrank/nn";
import { drawn, draws } from "../../shared/draws.ts";
import type { LayerContext } from "../../shared/method.ts";
import { fullWeight } from "../factors.ts";
import type { KasaConfig, LoraConfig } from "../loraConfig.ts";
import { rankAndScaling } from "../loraScaling.ts";
import type { LinearStart } from "../loraStart.ts";
import { VariantLinear } from "./variantLinear.ts";

/** Relative size of rounding errors by dtype. */
const rounding: Readonly<Record<string, number>> = { f32: 2 ** -23, f16: 2 ** -10, bf16: 2 ** -7 };

/**
 * Returns the layer's weight [out, in] without its r smallest singular values, where r is the adapter's rank. Returns
 * the weight of `start` if these singular values are only rounding errors, as in a weight that another adapter has
 * already truncated. Throws if the weight is quantised, or if r leaves no singular value.
 */
export async function truncatedBase(
  context: LayerContext<LoraConfig>,
  start: LinearStart,
): Promise<Tensor | undefined> {
  const { base, config, path, backend } = context;
  const { weight, inFeatures: columns, outFeatures: rows } = base as Linear;
  const { r } = rankAndScaling(config, path);
  const all = Math.min(rows, columns);
  const problem = (text: string) =>
    new OptionError("", "kasaConfig", config.kasaConfig, (named) => `${named("kasaConfig")}: ${text}`);
  if (r >= all) {
    throw problem(`the rank is ${r}; the weight [${rows},${columns}] of ${path} allows at most ${all - 1}`);
  }
  if (isPacked(weight.dtype)) {
    const fix = "load the model without quantize, and call quantizeBase after the adapter was created or loaded";
    throw problem(`it needs singular vectors of the weight, but ${path} is ${weight.dtype}: ${fix}`);
  }
  if (backend.dataless) return start.weight ?? fullWeight(weight, false);
  using full = fullWeight(start.weight ?? weight, false);
  const values = (await full.data()) as Float32Array;
  const svd = truncatedSvd(values, rows, columns, all);
  const square = (list: Float64Array) => list.reduce((total, value) => total + value * value, 0);
  const dropped = svd.values.subarray(all - r);
  if (square(dropped) <= rounding[weight.dtype] ** 2 * square(svd.values)) return start.weight;
  const rest = Float64Array.from(values);
  for (let k = all - r; k < all; k++) {
    const right = svd.right.subarray(k * columns, (k + 1) * columns);
    for (let i = 0; i < rows; i++) {
      const left = svd.values[k] * svd.left[k * rows + i];
      for (let j = 0; j < columns; j++) rest[i * columns + j] -= left * right[j];
    }
  }
  start.weight?.dispose();
  return tensor(Float32Array.from(rest), { shape: [rows, columns], backend });
}

/**
 * KaSA on a linear layer: LoRA with a trained diagonal between A and B, on a base weight without its smallest singular
 * values. Wang et al. 2024, https://arxiv.org/abs/2412.06071
 */
export class KasaLinear extends VariantLinear {
  readonly #options: KasaConfig;

  constructor(context: LayerContext<LoraConfig>, start: LinearStart) {
    const { config, path, loading } = context;
    const { zero, normal } = draws(context);
    const { r } = rankAndScaling(config, path);
    super(context, start, "lora_kasa", { lora_diag: drawn(loading ? zero : normal(1), [r]) });
    this.#options = config.kasaConfig!;
  }

  protected low(x: Tensor): Tensor {
    return mul(matmul(x, this.a, { transposeB: true }), this.parameters.lora_diag);
  }

  protected override mergedA(): Tensor {
    return mul(this.a, this.parameters.lora_diag.reshape([-1, 1]));
  }

  /** Returns the squared diagonal and the distances of A Aᵀ and Bᵀ B from the identity, with their weights. */
  penalty(): Tensor {
    const { beta, gamma } = this.#options;
    const { lora_diag: diagonal } = this.parameters;
    const { a, b, rank } = this;
    const identity = Float32Array.from({ length: rank * rank }, (_, i) => (i % (rank + 1) === 0 ? 1 : 0));
    const eye = tensor(identity, { shape: [rank, rank], backend: a.storage.backend });
    const distance = (gram: Tensor) => {
      const difference = sub(gram, eye);
      return sqrt(sum(mul(difference, difference)));
    };
    const distances = add(distance(matmul(b, b, { transposeA: true })), distance(matmul(a, a, { transposeB: true })));
    return add(affine(sum(mul(diagonal, diagonal)), { scale: beta }), affine(distances, { scale: gamma }));
  }
}
