import { einsum, matmul, mul, type Tensor } from "@lowrank/core";
import type { Parameter } from "@lowrank/nn";
import { type Draw, drawn } from "../shared/draws.ts";
import type { LayerContext } from "../shared/method.ts";
import { factorization } from "./factorization.ts";
import type { LoKrConfig } from "./lokrConfig.ts";
import { lycorisDraws, lycorisRank } from "./lycoris.ts";

/** The sizes of a weight [outputs, inputs, ...kernel]. */
interface WeightSizes {
  readonly outputs: number;
  readonly inputs: number;
  /** The sizes of a filter of a convolution; empty for a linear layer. */
  readonly kernel: readonly number[];
  /** True to factor filters of more than one element into a tensor and two matrices. Default: false. */
  readonly effective?: boolean;
}

/**
 * Creates the tensors of LoKr's two factors, a matrix [out₁, in₁] and a matrix or filters [out₂, in₂, ...kernel]. A
 * factor is one tensor, or a product of rank r if that is smaller.
 */
export function lokrTensors(context: LayerContext<LoKrConfig>, sizes: WeightSizes): Record<string, Parameter> {
  const { config, path } = context;
  const { outputs, inputs, kernel, effective = false } = sizes;
  const { decomposeBoth, decomposeFactor, initWeights } = config;
  const { r } = lycorisRank(config, path);
  const [out1, out2] = factorization(outputs, decomposeFactor);
  const [in1, in2] = factorization(inputs, decomposeFactor);
  const { zero, usual } = lycorisDraws(context);
  const left = initWeights === true ? zero : usual;
  const right = initWeights === "lycoris" ? zero : usual;
  const parameters: Record<string, Parameter> = {};
  const draw = (name: string, start: Draw, shape: readonly number[]) => {
    parameters[name] = drawn(start, shape);
  };
  if (!(decomposeBoth && r < Math.max(out1, in1) / 2)) draw("lokr_w1", left, [out1, in1]);
  else {
    draw("lokr_w1_a", left, [out1, r]);
    draw("lokr_w1_b", usual, [r, in1]);
  }
  if (r >= Math.max(out2, in2) / 2) draw("lokr_w2", right, [out2, in2, ...kernel]);
  else {
    if (effective) draw("lokr_t2", usual, [r, r, kernel[0], kernel[1] ?? 1]);
    draw("lokr_w2_a", usual, effective ? [r, out2] : [out2, r]);
    draw("lokr_w2_b", right, [r, effective ? in2 : kernel.reduce((a, b) => a * b, in2)]);
  }
  return parameters;
}

/** Returns the two factors: a matrix [out₁, in₁], and a matrix [out₂, in₂ · elements] or filters [out₂, in₂, ...]. */
export function lokrMatrices(parameters: Readonly<Record<string, Parameter>>): [Tensor, Tensor] {
  const { lokr_w1, lokr_w1_a, lokr_w1_b, lokr_w2, lokr_t2, lokr_w2_a, lokr_w2_b } = parameters;
  const product = () =>
    lokr_t2 ? einsum("ijkl,ip,jr->prkl", lokr_t2, lokr_w2_a, lokr_w2_b) : matmul(lokr_w2_a, lokr_w2_b);
  return [lokr_w1 ?? matmul(lokr_w1_a, lokr_w1_b), lokr_w2 ?? product()];
}

/**
 * Returns the Kronecker product of a matrix [a, c] and a tensor [b, d ...] as a matrix [a · b, c · d ...]. As in PEFT,
 * a tensor [b, d, k] of three dimensions multiplies a tensor [1, a, c] instead. The result [b, a · d, c · k] then only
 * has as many elements as the filters of a Conv1d.
 */
export function kronecker(left: Tensor, right: Tensor): Tensor {
  const [a, c] = left.shape;
  const [b, d] = right.shape;
  if (right.ndim === 3) return mul(left.reshape([1, a, 1, c, 1]), right.reshape([b, 1, d, 1, -1]));
  const product = mul(left.reshape([a, 1, c, 1]), right.reshape([1, b, 1, -1]));
  return product.reshape([a * b, -1]);
}
