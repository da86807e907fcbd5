import { currentBackend } from "../backends/backend.ts";
import type { Tensor } from "../engine/tensor.ts";
import type { OptionKeys } from "../internal/checkOptions.ts";
import { checkDType } from "../layout/checkDType.ts";
import { type Shape, type ShapeArguments, shapeArguments, sizeOf } from "../layout/shape.ts";
import { defaultGenerator } from "../random/manualSeed.ts";
import type { Generator } from "../random/random.ts";
import { type CreateOptions, createKeys, tensorFilledBy } from "./create.ts";
import { tensor } from "./makeTensor.ts";

/** Options of random tensors. */
export interface RandomOptions extends CreateOptions {
  /** The generator to draw from. Default: the generator that `manualSeed` seeds. */
  generator?: Generator;
}

/** Options of `rand`, which draws values in [low, high). */
export interface RandOptions extends RandomOptions {
  /** The lower bound, included. Default 0. */
  low?: number;
  /** The upper bound, excluded. Default 1. */
  high?: number;
}

/** Options of `randn`. */
export interface RandnOptions extends RandomOptions {
  /** The mean of the distribution. Default 0. */
  mean?: number;
  /** The standard deviation. Default 1. */
  std?: number;
}

const randomKeys: OptionKeys<RandomOptions> = { ...createKeys, generator: true };

/**
 * Creates a tensor whose values `fill` draws. If the backend stores no data, no values are drawn and the generator does
 * not advance.
 */
function drawn(
  name: string,
  shape: Shape,
  { generator = defaultGenerator, ...options }: RandomOptions,
  fill: (generator: Generator, values: Float32Array) => void,
): Tensor {
  const { dtype = "f32", backend = currentBackend(), requiresGrad } = options;
  checkDType(name, dtype);
  if (dtype !== "f32" && !backend.dataless) {
    const values = new Float32Array(sizeOf(shape));
    fill(generator, values);
    return tensor(values, { dtype, backend, requiresGrad, shape });
  }
  const out = tensorFilledBy({ shape, dtype }, backend, (elements) => fill(generator, elements as Float32Array));
  if (requiresGrad) out.requiresGrad = true;
  return out;
}

/** Returns uniform random values in [low, high), f32 by default: `rand([2, 3], { generator })` or `rand(2, 3)`. */
export function rand(...args: ShapeArguments<RandOptions>): Tensor {
  const { shape, options = {} } = shapeArguments("rand", args, { ...randomKeys, low: true, high: true });
  const { low = 0, high = 1, ...others } = options;
  return drawn("rand", shape, others, (generator, values) => generator.fillUniform(values, low, high));
}

/** Returns normally distributed random values, f32 by default: `randn([2, 3], { generator })` or `randn(2, 3)`. */
export function randn(...args: ShapeArguments<RandnOptions>): Tensor {
  const { shape, options = {} } = shapeArguments("randn", args, { ...randomKeys, mean: true, std: true });
  const { mean = 0, std = 1, ...others } = options;
  return drawn("randn", shape, others, (generator, values) => generator.fillNormal(values, mean, std));
}
