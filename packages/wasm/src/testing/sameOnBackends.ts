import { type Backend, Generator, gradients, init, reference, type Tensor, tensor } from "@lowrank/core";
import { wasm } from "../wasm.ts";

/** The backends that tests compare: the reference, and both builds of the WebAssembly kernels. */
export const backends: Record<"reference" | "relaxed" | "simd", Backend> = {
  reference: reference(),
  relaxed: await wasm({ build: "relaxed" }),
  simd: await wasm({ build: "simd" }),
};

/** Returns normally distributed values that depend only on the arguments. */
export function numbers(shape: number[], seed: number, scale = 1): Float32Array {
  const values = new Float32Array(shape.reduce((a, b) => a * b, 1));
  new Generator(seed).fillNormal(values, 0, scale);
  return values;
}

/** The shape and data of a tensor that tests create on each backend. */
export type Input = { shape: number[]; data: Float32Array | Int32Array | Uint8Array; dtype?: "bool" };
/** Returns an input with normally distributed values. */
export const random = (shape: number[], seed: number, scale = 1): Input => ({
  shape,
  data: numbers(shape, seed, scale),
});

/** Runs `fn` on one backend, and computes the gradients of its float inputs. */
export async function run(
  name: keyof typeof backends,
  inputs: Input[],
  fn: (t: Tensor[]) => Tensor,
): Promise<ArrayLike<number>[]> {
  const backend = await init(backends[name]);
  const tensors = inputs.map(({ shape, data, dtype }) => tensor(data, { shape, dtype, backend }));
  const wanted = tensors.filter(({ dtype }) => dtype === "f32");
  for (const t of wanted) t.requiresGrad = true;
  const out = fn(tensors);
  const gradient = tensor(numbers([...out.shape], 99), { shape: out.shape });
  return [out, ...gradients(out, wanted, { gradient })].map((t) => t.dataSync());
}

/**
 * Throws unless all values are within `tolerance` of the expected ones, relative to the largest expected magnitude (at
 * least 0.05), with NaN and infinities at the same indices.
 */
export function close(actual: ArrayLike<number>, expected: ArrayLike<number>, tolerance: number): void {
  if (actual.length !== expected.length) throw new Error(`${actual.length} numbers instead of ${expected.length}`);
  let largest = 0.05;
  for (let i = 0; i < expected.length; i++)
    if (Number.isFinite(expected[i])) largest = Math.max(largest, Math.abs(expected[i]));
  for (let i = 0; i < expected.length; i++) {
    const [a, e] = [actual[i], expected[i]];
    const same = Number.isFinite(e) ? Math.abs(a - e) <= tolerance * largest : Object.is(a, e);
    if (!same) throw new Error(`number ${i} is ${a} instead of ${e}`);
  }
}

/** Throws unless `fn` has the same values and gradients on both builds of the kernels as on the reference backend. */
export async function same(inputs: Input[], fn: (t: Tensor[]) => Tensor, tolerance = 3e-6): Promise<void> {
  const expected = await run("reference", inputs, fn);
  for (const build of ["relaxed", "simd"] as const) {
    const actual = await run(build, inputs, fn);
    for (const [i, values] of actual.entries()) close(values, expected[i], tolerance);
  }
}

/**
 * Returns the relative error of a compared with b: the root mean square of a - b, divided by the root mean square of b.
 */
export function difference(a: ArrayLike<number>, b: ArrayLike<number>): number {
  let [error, size] = [0, 0];
  for (let i = 0; i < b.length; i++) {
    error += (a[i] - b[i]) ** 2;
    size += b[i] ** 2;
  }
  return Math.sqrt(error / size);
}
