import { currentBackend } from "./backend.ts";
import { type CreateOptions, tensor, writtenBy } from "./create.ts";
import { defaultGenerator } from "./manualSeed.ts";
import type { Generator } from "./random.ts";
import { checkShape, type Shape, sizeOf } from "./shape.ts";
import type { Tensor } from "./tensor.ts";

/** Options of random tensors. */
export interface RandomOptions extends CreateOptions {
  /** Draws the numbers. Default: the one that `manualSeed` seeds. */
  generator?: Generator;
}

/** A tensor of what `fill` draws; the generator rests where the numbers would not be kept. */
function drawn(
  shape: Shape,
  options: RandomOptions,
  draw: (generator: Generator, values: Float32Array) => void,
): Tensor {
  checkShape("rand", shape);
  const fill = (values: Float32Array) => draw(options.generator ?? defaultGenerator, values);
  const { dtype = "f32", backend = currentBackend() } = options;
  if (dtype !== "f32" && !backend.dataless) {
    const values = new Float32Array(sizeOf(shape));
    fill(values);
    return tensor(values, { ...options, shape });
  }
  const out = writtenBy({ shape, dtype }, backend, (elements) => fill(elements as Float32Array));
  if (options.requiresGrad) out.requiresGrad = true;
  return out;
}

/** Uniform random numbers in [low, high), f32 by default. */
export function rand(shape: Shape, options: RandomOptions & { low?: number; high?: number } = {}): Tensor {
  const { low = 0, high = 1 } = options;
  return drawn(shape, options, (generator, values) => generator.fillUniform(values, low, high));
}

/** Normal random numbers, f32 by default. */
export function randn(shape: Shape, options: RandomOptions & { mean?: number; std?: number } = {}): Tensor {
  const { mean = 0, std = 1 } = options;
  return drawn(shape, options, (generator, values) => generator.fillNormal(values, mean, std));
}
