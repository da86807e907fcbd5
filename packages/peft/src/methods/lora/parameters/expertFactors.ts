import { affine, matmul, permute, reshape, slice, type Tensor } from "@lowrank/core";
import type { Parameter } from "@lowrank/nn";
import { toF32 } from "../../../layers/tunerLayer.ts";
import { drawn, draws } from "../../shared/draws.ts";
import type { ParameterContext } from "../../shared/parameterMethod.ts";
import type { LoraConfig } from "../loraConfig.ts";
import { rankAndScaling } from "../loraScaling.ts";

/** Values from which factors are created. `dtypeOf` takes names of tensors in files, without their path. */
export interface FactorContext extends ParameterContext {
  readonly config: LoraConfig;
}

/** Rows of the matrix of an expert. */
export interface Rows {
  readonly expert: number;
  readonly start: number;
  readonly end: number;
}

/**
 * LoRA's factors of a parameter [E, out, in]: A is [r E, in], and B is [out, r E]. Expert e has the rows e r to
 * e r + r - 1 in A, and the columns e, e + E, e + 2 E, ... in B.
 */
export class ExpertFactors {
  /** A and B, by their names in files. */
  readonly parameters: Readonly<Record<"lora_A.weight" | "lora_B.weight", Parameter>>;
  readonly scaling: number;
  readonly outputs: number;
  readonly #rank: number;
  readonly #experts: number;

  /** `key` is the parameter's path in transformers, and files have `prefix` before the names of tensors. */
  constructor(
    context: FactorContext,
    key: string,
    { experts, inputs, outputs }: { experts: number; inputs: number; outputs: number },
    prefix: string,
  ) {
    const { config, loading, dtypeOf } = context;
    const { r, scaling } = rankAndScaling(config, key);
    const { zero, uniform, normal } = draws(context);
    const { initLoraWeights: init } = config;
    const rows = r * experts;
    const startA = loading ? zero : init === "gaussian" ? normal(1 / r) : uniform(1 / Math.sqrt(inputs));
    const startB = loading || init !== false ? zero : uniform(1 / Math.sqrt(rows));
    this.parameters = {
      "lora_A.weight": drawn(startA, [rows, inputs], dtypeOf(`${prefix}lora_A.weight`)),
      "lora_B.weight": drawn(startB, [outputs, rows], dtypeOf(`${prefix}lora_B.weight`)),
    };
    this.scaling = scaling;
    this.outputs = outputs;
    this.#rank = r;
    this.#experts = experts;
  }

  /** Returns A [r, in] of an expert, and the rows of its B, [end - start, r]. */
  #of({ expert, start, end }: Rows): { a: Tensor; b: Tensor } {
    const { "lora_A.weight": a, "lora_B.weight": b } = this.parameters;
    const r = this.#rank;
    const rows = reshape(slice(b, { dim: 0, start, end }), [end - start, r, this.#experts]);
    return {
      a: toF32(slice(a, { dim: 0, start: expert * r, end: (expert + 1) * r })),
      b: toF32(reshape(slice(rows, { dim: 2, start: expert, end: expert + 1 }), [end - start, r])),
    };
  }

  /** Returns the update for inputs x [..., in] of an expert: scaling (x Aᵀ) Bᵀ. */
  added(x: Tensor, rows: Rows, scale: number): Tensor {
    const { a, b } = this.#of(rows);
    return matmul(affine(matmul(x, a, { transposeB: true }), { scale }), b, { transposeB: true });
  }

  /** Returns the change of some rows of an expert's matrix: scaling B A. */
  change(rows: Rows, scale: number): Tensor {
    const { a, b } = this.#of(rows);
    return affine(matmul(b, a), { scale });
  }

  /** Returns the change of all experts' matrices, [E, out, in]. */
  changeOfAll(scale: number): Tensor {
    const [a, b] = Object.values(this.parameters).map(toF32);
    const [rank, experts] = [this.#rank, this.#experts];
    const allA = reshape(a, [experts, rank, a.shape[1]]);
    const allB = permute(reshape(b, [this.outputs, rank, experts]), [2, 0, 1]);
    return affine(matmul(allB, allA), { scale });
  }
}
