import { type CreateOptions, tensor } from "./create.ts";
import type { Generator } from "./random.ts";
import { type Shape, sizeOf } from "./shape.ts";
import type { Tensor } from "./tensor.ts";

/** Uniform random numbers in [low, high), f32 by default. */
export function rand(
  shape: Shape,
  options: CreateOptions & { generator: Generator; low?: number; high?: number },
): Tensor {
  const values = new Float32Array(sizeOf(shape));
  options.generator.fillUniform(values, options.low ?? 0, options.high ?? 1);
  return tensor(values, { dtype: "f32", ...options, shape });
}

/** Normal random numbers, f32 by default. */
export function randn(
  shape: Shape,
  options: CreateOptions & { generator: Generator; mean?: number; std?: number },
): Tensor {
  const values = new Float32Array(sizeOf(shape));
  options.generator.fillNormal(values, options.mean ?? 0, options.std ?? 1);
  return tensor(values, { dtype: "f32", ...options, shape });
}
