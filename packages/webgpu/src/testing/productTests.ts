import { defineOp, Generator, matmul, type Op, reference, scope, slice, type Tensor } from "@lowrank/core";
import { type Backend, matmulPlan, type Shape } from "@lowrank/core/backend";
import {
  expectClose,
  type Input,
  inputValues,
  makeInput,
  prepareStored,
  storedWeights,
  wideStoredWeights,
} from "@lowrank/core/testing";
import { kernel, type WebGpuKernel } from "../index.ts";
import { productOf } from "../kernels/linear.ts";
import type { CutFacts } from "../kernels/products/cut.ts";
import { product } from "../kernels/products/product.ts";
import type { Ending } from "../kernels/products/tiled.ts";

/** Parameters of a test product, including the kind of device for which it is divided. */
interface ForcedParams extends CutFacts {
  /** Maximum number of workgroups in one dimension. Default: 65,535. */
  readonly mostGroups?: number;
  readonly transposeA?: boolean;
  readonly transposeB?: boolean;
  /** Storage of sums. "scaled" multiplies by 3; "added" adds to the same product computed before. Default: "sum". */
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

/**
 * A kernel that computes products as on the kind of device given in its parameters. Pass it to the backend of
 * `checkProduct`.
 */
export const forcedProduct: WebGpuKernel = kernel<typeof forced>("webgpuTest/product", ([a, w], [out], params, gpu) => {
  const { ending = "sum", software, tile, batchInvariant, mostGroups, ...flags } = params;
  const { maxStorageBufferBindingSize } = gpu.limits;
  const limits = { maxComputeWorkgroupsPerDimension: mostGroups ?? 65535, maxStorageBufferBindingSize };
  const facts = { ...gpu, software, tile, batchInvariant, limits: limits as GPUSupportedLimits };
  const given = { ...productOf(a, w, flags), a, w, out };
  const first = ending.startsWith("added") ? product(given, facts) : [];
  return [...first, ...product({ ...given, ending, scale: 3 }, facts)];
});

const factors: Record<Ending, number> = { sum: 1, scaled: 3, added: 2, "added scaled": 4 };

const stores = { ...storedWeights, ...wideStoredWeights };

/** A product to check: the shapes of its operands, and its parameters. */
export interface ProductCase extends ForcedParams {
  readonly a: Shape;
  readonly w: Shape;
  /** The format of the weight: a key of `storedWeights` or `wideStoredWeights`. Default: f32. */
  readonly stored?: string;
}

/** Returns a product as a case of the op: its inputs, and the function that runs it. */
export function productCall({ a, w, stored, ...params }: ProductCase): {
  readonly inputs: readonly Input[];
  readonly run: (tensors: Tensor[]) => Tensor;
} {
  const inputs = [{ shape: a }, { shape: w, store: stored === undefined ? undefined : stores[stored] }];
  return { inputs, run: ([x, y]) => forced(x, y, params) };
}

/** Throws unless a backend's product matches the reference. */
export async function checkProduct(backend: Backend, { a, w, stored, ...params }: ProductCase): Promise<void> {
  const inputs = [{ shape: a }, { shape: w, store: stored === undefined ? undefined : stores[stored] }];
  await prepareStored(backend);
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

/** Throws unless `count` rows from `first` on, computed alone, have the same bits as when computed with all rows. */
export async function checkSameRows(
  backend: Backend,
  { a, w, stored, ...params }: ProductCase,
  { first, count }: { readonly first: number; readonly count: number },
): Promise<void> {
  const generator = new Generator(7);
  const inputs = [{ shape: a }, { shape: w, store: stored === undefined ? undefined : stores[stored] }];
  await prepareStored(backend);
  const [x, y] = inputs.map((input) => makeInput(input, inputValues(input, generator), backend));
  const [all, some] = scope(() => {
    const rows = slice(x, { dim: params.transposeA ? 1 : 0, start: first, end: first + count });
    return [forced(x, y, params), forced(rows, y, params)];
  });
  const [wanted, found] = await Promise.all(
    [all, some].map(async (t) => new Uint32Array((await t.data()).slice().buffer)),
  );
  const [, n] = all.shape;
  const at = found.findIndex((bits, i) => bits !== wanted[first * n + i]);
  for (const t of [x, y, all, some]) t.dispose();
  if (at >= 0) {
    const rows = `row ${first + Math.floor(at / n)} has other bits among all rows than among ${count}`;
    throw new Error(`${rows}: ${JSON.stringify({ a, w, stored, ...params })}`);
  }
}
