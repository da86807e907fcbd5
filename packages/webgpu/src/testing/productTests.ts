import { defineOp, Generator, matmul, type Op, reference, scope, type Tensor } from "@lowrank/core";
import { type Backend, matmulPlan, type Shape } from "@lowrank/core/backend";
import { expectClose, inputValues, makeInput, storedWeights } from "@lowrank/core/testing";
import { kernel, type WebGpuKernel } from "../index.ts";
import type { GpuFacts } from "../kernel.ts";
import { productOf } from "../kernels/matmul.ts";
import { product } from "../kernels/products/product.ts";
import type { Ending } from "../kernels/products/tiled.ts";

/** A product as the kernels of a device of some kind make it. */
interface ForcedParams extends Pick<GpuFacts, "software" | "tile"> {
  /** The most workgroups in a dimension; default 65,535. */
  readonly mostGroups?: number;
  readonly transposeA?: boolean;
  readonly transposeB?: boolean;
  /** "scaled" is by 3, and "added" is to the same sum. Default "sum". */
  readonly ending?: Ending;
}

const forced: Op<2, ForcedParams> = defineOp<2, ForcedParams>({
  name: "webgpuTest/product",
  arity: 2,
  packed: [1],
  shape: ([a, w], params) => {
    const { batch, m, n } = matmulPlan(a.shape, w.shape, params);
    return { shape: [...batch, m, n], dtype: "f32" };
  },
  compose: ([a, w], { transposeA, transposeB }) => matmul(a, w, { transposeA, transposeB }),
});

/** Runs products as a device of any kind would; give it to the backend of `checkProduct`. */
export const forcedProduct: WebGpuKernel = kernel<typeof forced>("webgpuTest/product", ([a, w], [out], params, gpu) => {
  const { ending = "sum", software, tile, mostGroups, ...flags } = params;
  const { maxStorageBufferBindingSize } = gpu.limits;
  const limits = { maxComputeWorkgroupsPerDimension: mostGroups ?? 65535, maxStorageBufferBindingSize };
  const facts = { ...gpu, software, tile, limits: limits as GPUSupportedLimits };
  const given = { ...productOf(a, w, flags), a, w, out };
  const first = ending.startsWith("added") ? product(given, facts) : [];
  return [...first, ...product({ ...given, ending, scale: 3 }, facts)];
});

const factors: Record<Ending, number> = { sum: 1, scaled: 3, added: 2, "added scaled": 4 };

/** A product to check. */
export interface ProductCase extends ForcedParams {
  readonly a: Shape;
  readonly w: Shape;
  /** A key of `storedWeights`; default f32. */
  readonly stored?: string;
}

/** Throws unless a product is as the reference has it. */
export async function checkProduct(backend: Backend, { a, w, stored, ...params }: ProductCase): Promise<void> {
  const inputs = [{ shape: a }, { shape: w, store: stored === undefined ? undefined : storedWeights[stored] }];
  const run = async (on: Backend): Promise<{ shape: Shape; data: ArrayLike<number> }> => {
    const generator = new Generator(7);
    const made = (): Tensor => {
      const [x, y] = inputs.map((input) => makeInput(input, inputValues(input, generator), on));
      return forced(x, y, params);
    };
    const result = scope(made);
    const numbers = { shape: result.shape, data: await result.data() };
    result.dispose();
    return numbers;
  };
  const expected = await run(reference());
  const factor = factors[params.ending ?? "sum"];
  const wanted = { ...expected, data: Array.from(expected.data, (v) => factor * v) };
  expectClose(JSON.stringify({ a, w, stored, ...params }), await run(backend), wanted, 1e-5);
}
