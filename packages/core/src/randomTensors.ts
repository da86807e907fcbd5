import { currentBackend } from "./backend.ts";
import { type CreateOptions, tensor, writtenBy } from "./create.ts";
import type { Generator } from "./random.ts";
import { checkShape, type Shape, sizeOf } from "./shape.ts";
import type { Tensor } from "./tensor.ts";

type RandomOptions = CreateOptions & { generator: Generator };

/** A tensor of what `fill` draws; the generator rests where the numbers would not be kept. */
function drawn(shape: Shape, options: RandomOptions, fill: (values: Float32Array) => void): Tensor {
  checkShape("rand", shape);
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
export function rand(shape: Shape, options: RandomOptions & { low?: number; high?: number }): Tensor {
  return drawn(shape, options, (values) => options.generator.fillUniform(values, options.low ?? 0, options.high ?? 1));
}

/** Normal random numbers, f32 by default. */
export function randn(shape: Shape, options: RandomOptions & { mean?: number; std?: number }): Tensor {
  return drawn(shape, options, (values) => options.generator.fillNormal(values, options.mean ?? 0, options.std ?? 1));
}
