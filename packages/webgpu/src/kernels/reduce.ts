import {
  type amax,
  collapse,
  type Shape,
  stridesOf,
  type sumToShape,
  type TensorSpec,
  type Traversal,
} from "@lowrank/core/backend";
import { type Gpu, type GpuTensor, type KernelCode, kernel, type WebGpuKernel } from "../kernel/kernel.ts";
import { type Dispatch, entry, shader, spread, variants } from "../kernel/shader.ts";
import type { Split } from "../kernel/split.ts";
import { orderCode } from "../wgsl/math.ts";
import { type Join, joinBegin, joinCode, mostJoin, sumJoin } from "../wgsl/rows.ts";
import { walk, walkValues } from "../wgsl/walk.ts";
import { inParts, windowOf } from "../wgsl/window.ts";

/** WGSL of a reduction of many elements to one, such as a sum. */
interface Reduction {
  readonly name: string;
  /** WGSL of the initial value. */
  readonly start: string;
  readonly helpers: string;
  readonly join: Omit<Join, "name">;
  /** WGSL that converts an element to the value to reduce. */
  readonly from: (x: string) => string;
  /** WGSL that converts the reduced value to an element of the result. */
  readonly result: (a: string) => string;
}

/** Number of threads that share the elements of one result. */
const together = 64;
/**
 * Maximum number of elements that one thread alone reduces to a result. For more elements, several threads share the
 * work.
 */
const few = 32;
/**
 * Maximum number of elements that one workgroup reduces. More elements are cut into parts, whose results are reduced
 * again.
 */
const partSize = 16384;

/**
 * Returns a function that reduces dimensions of a tensor. The kernels compute offsets by two traversals: one over the
 * dimensions that are kept (the results), one over the reduced dimensions (the elements of one result).
 */
function reduction({ name, start, helpers, from, join, result }: Reduction) {
  const made = variants((kept: number, reduced: number, alone: boolean) => {
    const outer = walk(kept, ["at"], "item", "K");
    const inner = walk(reduced, ["to"], "j", "R");
    const load = `var to = at; ${inner.code} sum = ${join.of("sum", from("x[to]"))};`;
    const begin = `let item = which / u.parts; let first = (which % u.parts) * u.part;
  let end = min(first + u.part, u.count);
  var at = 0u; ${outer.code}`;
    const code = (subgroups: boolean) =>
      alone
        ? entry(
            together,
            `  if (index >= u.size) { return; }
  let which = index; ${begin}
  var sum = ${start};
  for (var j = first; j < end; j++) { ${load} }
  out[which] = ${result("sum")};`,
          )
        : `${joinCode(together, subgroups, [{ ...join, name: "joined" }])}
${entry(
  together,
  `  ${joinBegin(subgroups)}
  let which = groupIndex;
  var sum = ${start};
  if (which < u.size) {
    ${begin}
    for (var j = first + lane; j < end; j += ${together}u) { ${load} }
  }
  let all = joined(lane, sum);
  if (lane == 0u && which < u.size) { out[which] = ${result("all")}; }`,
)}`;
    return shader({
      name: `${name}${alone ? ", one thread a result" : ""}`,
      bindings: { x: "read f32", out: "write f32" },
      uniforms: { ...outer.uniforms, ...inner.uniforms, size: "u32", count: "u32", parts: "u32", part: "u32" },
      code: (subgroups) => `${helpers}\n${code(subgroups)}`,
    });
  });

  /**
   * Computes each result from the elements of x that belong to it. `kept` traverses the dimensions of x that are kept,
   * and `gone` the dimensions that are reduced.
   */
  const along = (kept: Traversal, gone: Traversal, x: GpuTensor, out: GpuTensor, gpu: Gpu): readonly Dispatch[] => {
    const count = gone.sizes.reduce((product, size) => product * size, 1);
    const cut = gpu.batchInvariant || out.size * 8 <= 1024;
    const parts = cut ? Math.max(Math.ceil(count / partSize), 1) : 1;
    const part = Math.ceil(count / parts);
    const target = parts === 1 ? out : gpu.scratch({ shape: [out.size, parts], dtype: "f32" });
    const alone = part <= few;
    const values = {
      ...walkValues(kept, ["at"], "K"),
      ...walkValues(gone, ["to"], "R"),
      ...{ size: target.size, count, parts, part },
    };
    const groups = alone ? spread(target.size, together) : spread(target.size, 1);
    const run = made(kept.sizes.length, gone.sizes.length, alone).dispatch({ x, out: target }, values, groups);
    return parts === 1 ? [run] : [run, ...joined(target, out, [out.size, parts], [parts, 1], gpu)];
  };

  /**
   * Reduces partial results in x to one value per result. `sizes` are [results, parts]. `strides` are the distances in
   * elements between neighbouring results and between neighbouring parts.
   */
  const joined = (x: GpuTensor, out: GpuTensor, sizes: Shape, strides: Shape, gpu: Gpu): readonly Dispatch[] => {
    const [kept, gone] = [0, 1].map((d) => ({ sizes: [sizes[d]], strides: [[strides[d]]] }));
    return along(kept, gone, x, out, gpu);
  };

  const reduce = (x: GpuTensor, out: GpuTensor, gpu: Gpu): readonly Dispatch[] => {
    const { sizes, strides } = collapse(x.shape, [out.shape]);
    const own = stridesOf(sizes);
    const pick = (reduced: boolean) => {
      const dims = [...sizes.keys()].filter((d) => (strides[0][d] === 0) === reduced);
      return { sizes: dims.map((d) => sizes[d]), strides: [dims.map((d) => own[d])] };
    };
    const [kept, gone] = [pick(false), pick(true)];
    const parts = inParts([x], gpu.limits.maxStorageBufferBindingSize, sizes[0]);
    if (parts.length === 1) return along(kept, gone, x, out, gpu);
    // The tensor is cut into ranges of rows. Each range gets its own partial results, at an offset that a kernel can
    // bind.
    const width = Math.ceil(out.size / 64) * 64;
    const target = gpu.scratch({ shape: [parts.length, width], dtype: "f32" });
    const runs = parts.flatMap(({ rows, tensors: [part] }, i) => {
      const [, ...rest] = gone.sizes;
      const to = windowOf(target, i * width, [out.size]).tensor;
      return along(kept, { ...gone, sizes: [rows, ...rest] }, part, to, gpu);
    });
    return [...runs, ...joined(target, out, [out.size, parts.length], [1, width], gpu)];
  };
  return reduce;
}

function reducer<P>(parts: Reduction): KernelCode<P> {
  const reduce = reduction(parts);
  return ([x], [out], _params, gpu) => reduce(x, out, gpu);
}

/** Returns how to cut a call along the leading dimension, or undefined if that dimension is reduced. */
const split = ([x]: readonly TensorSpec[], [out]: readonly TensorSpec[]): Split<never> | undefined => {
  const { sizes, strides } = collapse(x.shape, [out.shape]);
  return strides[0][0] === 0 ? undefined : { rows: sizes[0], inputs: [true], outputs: [true] };
};

export const sumToShapeKernel: WebGpuKernel = kernel<typeof sumToShape>(
  "sumToShape",
  reducer({
    name: "sum",
    start: "0.0",
    join: sumJoin,
    helpers: "",
    from: (x) => x,
    result: (a) => a,
  }),
  { split },
);

export const amaxKernel: WebGpuKernel = kernel<typeof amax>(
  "amax",
  reducer({
    name: "amax",
    // The integer that `orderOf` returns for minus infinity.
    start: "-2139095041",
    join: mostJoin,
    helpers: orderCode,
    from: (x) => `orderOf(bitcast<u32>(${x}))`,
    result: (a) => `bitcast<f32>(bitsOfOrder(${a}))`,
  }),
  { split },
);
