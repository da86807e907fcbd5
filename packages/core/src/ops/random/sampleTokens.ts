import { scalarLike } from "../../creation/create.ts";
import { rand } from "../../creation/randomTensors.ts";
import { checkCall, defineOp, expectDType, type Op } from "../../engine/op.ts";
import type { Tensor } from "../../engine/tensor.ts";
import { formatShape } from "../../layout/shape.ts";
import { defaultGenerator } from "../../random/manualSeed.ts";
import type { Generator, GeneratorState } from "../../random/random.ts";
import { checkSampling, type SamplingOptions, samplingKeys } from "../../sampling/samplingOptions.ts";
import { sampleToken } from "../../sampling/tokenProbabilities.ts";
import { div } from "../binary/div.ts";
import { minimum } from "../binary/minimum.ts";
import { mul } from "../binary/mul.ts";
import { sub } from "../binary/sub.ts";
import { where } from "../binary/where.ts";
import { cumsum } from "../reductions/cumsum.ts";
import { max } from "../reductions/max.ts";
import { reshape } from "../shapes/reshape.ts";
import { slice } from "../shapes/slice.ts";
import { rowSum } from "../shared/rows.ts";
import { to } from "../unary/to.ts";
import { compareWith, keptTokens, unnormalizedProbabilities } from "./keptTokens.ts";
import { generatorAt, uniformsOf } from "./uniforms.ts";

/** Parameters of `sampleTokens`. */
export interface SampleTokensParams extends SamplingOptions {
  /** State of the generator before the draw. Row r uses the r-th uniform value from there on, counted from 0. */
  readonly state: GeneratorState;
}

const noToken = -1;

/** Returns true if a token can be sampled from the row of logits: the largest one is finite, and none is NaN. */
function canBeDrawn(row: Float32Array): boolean {
  return Number.isFinite(row.reduce((a, b) => Math.max(a, b), -Infinity));
}

export const sampleTokensOp: Op<1, SampleTokensParams> = defineOp({
  name: "sampleTokens",
  arity: 1,
  shape: (inputs, params) => {
    expectDType("sampleTokens", inputs, 0, "f32");
    checkSampling(params);
    const { shape } = inputs[0];
    if (shape.length !== 2 || shape[1] === 0) {
      throw new Error(`sampleTokens: the logits ${formatShape(shape)} must be [rows, tokens] of at least one token`);
    }
    return { shape: [shape[0]], dtype: "i32" };
  },
  ref: ([logits], [out], { state, ...options }) => {
    const [rows, tokens] = logits.shape;
    const uniforms = uniformsOf(rows, state);
    for (let r = 0; r < rows; r++) {
      const row = logits.data.subarray(r * tokens, (r + 1) * tokens) as Float32Array;
      out.data[r] = canBeDrawn(row) ? sampleToken(row, uniforms[r], options) : noToken;
    }
  },
  compose: ([logits], params) => draw(logits, params),
});

const count = (condition: Tensor): Tensor => rowSum(to(condition, { dtype: "f32" }));

/**
 * Computes `sampleTokens` from other ops, in f32. If a uniform value is very close to the boundary between two tokens,
 * rounding may select the other one.
 */
function draw(logits: Tensor, { state, ...options }: SampleTokensParams): Tensor {
  const [rows, tokens] = logits.shape;
  const [top] = max(logits, { dim: 1 });
  const odds = unnormalizedProbabilities(logits, options);
  const kept = keptTokens(logits, options);
  const reached = cumsum(div(kept ? mul(odds, kept) : odds, rowSum(odds)), { dim: 1 });
  const mass = slice(reached, { dim: 1, start: tokens - 1 });
  const uniform = rand([rows, 1], { generator: generatorAt(state), backend: logits.storage.backend });
  const last = count(compareWith(reached, "lt", mass));
  const drawn = minimum(count(compareWith(reached, "le", mul(mass, uniform))), last);
  const finite = compareWith(sub(top, top), "eq", 0);
  return reshape(to(where(finite, drawn, scalarLike(drawn, noToken)), { dtype: "i32" }), { shape: [rows] });
}

/**
 * Samples one token from each row of logits f32 [B, V]; returns i32 [B]. Applies temperature, then top-k, top-p and
 * min-p, as transformers does. A row gives -1 if it has a NaN or its largest logit is infinite. Draws one uniform value
 * per row from `generator`, which is advanced by B. Default: the generator that `manualSeed` seeds.
 */
export function sampleTokens(logits: Tensor, options: SamplingOptions & { generator?: Generator } = {}): Tensor {
  checkCall("sampleTokens", 1, arguments, options, { ...samplingKeys, generator: true });
  const { generator = defaultGenerator, ...settings } = options;
  const tokens = sampleTokensOp(logits, { ...settings, state: generator.state });
  generator.offset += logits.shape[0];
  return tokens;
}
