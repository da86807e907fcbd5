import {
  alongDim,
  type cat,
  collapse,
  type copyInto,
  type DType,
  type expand,
  type permute,
  permutedDims,
  type place,
  type slice,
  slicePlan,
  type to,
  traversePermuted,
} from "@lowrank/core/backend";
import { type GpuTensor, kernel, type WebGpuKernel } from "../kernel/kernel.ts";
import { type Dispatch, variants } from "../kernel/shader.ts";
import { byBroadcast, byElement, byOuter } from "../kernel/split.ts";
import { codeType, elementGroups, elements, type RawKind, rawKind } from "../wgsl/elements.ts";
import { specialCode } from "../wgsl/math.ts";
import { walk, walkValues } from "../wgsl/walk.ts";
import { alignment, bytesSeen, inParts, windowOf } from "../wgsl/window.ts";

// Kernels of ops that only move elements. They copy bits, so they work for every dtype.

const strided = variants((kind: RawKind, rank: number) => {
  const { uniforms, code } = walk(rank, ["at"], "i");
  return elements({
    name: `strided ${kind}`,
    inputs: { x: kind },
    out: kind,
    uniforms,
    element: `var at = 0u;\n${code}\nreturn load_x(at);`,
  });
});

/**
 * Returns the dispatch that makes `out` from elements of x. `traversal` gives the shape of the result and, for each of
 * its dimensions, the stride in x.
 */
function follow(x: GpuTensor, out: GpuTensor, traversal: ReturnType<typeof collapse>): Dispatch[] {
  const kind = rawKind(x.dtype);
  const values = { ...walkValues(traversal, ["at"]), size: out.size };
  return [strided(kind, traversal.sizes.length).dispatch({ x, out }, values, elementGroups(kind, out.size))];
}

export const expandKernel: WebGpuKernel = kernel<typeof expand>(
  "expand",
  ([x], [out]) => follow(x, out, collapse(out.shape, [x.shape])),
  { split: byBroadcast },
);

export const permuteKernel: WebGpuKernel = kernel<typeof permute>(
  "permute",
  ([x], [out], { dims }) => follow(x, out, traversePermuted(x, permutedDims(x, dims))),
  {
    split: ([x], _outputs, { dims }) =>
      permutedDims(x, dims)[0] === 0 ? { rows: x.shape[0], inputs: [true], outputs: [true] } : undefined,
  },
);

const sliced = variants((kind: RawKind) =>
  elements({
    name: `slice ${kind}`,
    inputs: { x: kind },
    out: kind,
    uniforms: { first: "u32", n: "u32", inner: "u32", start: "u32", step: "u32", count: "u32" },
    element: `let row = i / u.inner;
return load_x(u.first + ((row / u.count) * u.n + u.start + (row % u.count) * u.step) * u.inner + i % u.inner);`,
  }),
);

export const sliceKernel: WebGpuKernel = kernel<typeof slice>(
  "slice",
  ([x], [out], params, gpu) => {
    const { n, inner, start, step, count } = slicePlan(x, params);
    const kind = rawKind(x.dtype);
    const run = (from: GpuTensor, to: GpuTensor, values: { first: number; start: number; count: number }) =>
      sliced(kind).dispatch(
        { x: from, out: to },
        { n, inner, step, ...values, size: to.size },
        elementGroups(kind, to.size),
      );
    const most = gpu.limits.maxStorageBufferBindingSize;
    if (bytesSeen(x) <= most || x.size !== n * inner) return [run(x, out, { first: 0, start, count })];
    // x is too large to bind, so each dispatch binds only the range of x from its first to its last selected row.
    return inParts([out], most / Math.max(step, 1) - 2 * alignment, count).map(({ from, rows, tensors: [part] }) => {
      const seen = windowOf(x, (start + from * step) * inner, [(rows - 1) * step + 1, inner]);
      return run(seen.tensor, part, { first: seen.start, start: 0, count: rows });
    });
  },
  { split: byOuter },
);

const placed = variants((dtype: "f32" | "i32") =>
  elements({
    name: `place ${dtype}`,
    inputs: { x: dtype },
    out: dtype,
    uniforms: {
      ...({ first: "u32", row: "u32", n: "u32", inner: "u32", start: "u32", step: "u32", whole: "u32" } as const),
      value: dtype,
    },
    element: `let row = i / u.inner;
let at = u.row + row % u.whole;
if (at < u.start || (at - u.start) % u.step != 0u || (at - u.start) / u.step >= u.n) { return u.value; }
return load_x(((row / u.whole) * u.n + (at - u.start) / u.step) * u.inner + i % u.inner - u.first);`,
  }),
);

export const placeKernel: WebGpuKernel = kernel<typeof place>(
  "place",
  ([x], [out], params, gpu) => {
    const { dim, size: whole, start, step = 1, value = 0 } = params;
    const { n, inner } = alongDim("place", x.shape, dim);
    const dtype = x.dtype === "i32" ? "i32" : "f32";
    const run = (source: GpuTensor, to: GpuTensor, values: { first: number; row: number; whole: number }) => {
      const numbers = { n, inner, start, step, value, ...values, size: to.size };
      return placed(dtype).dispatch({ x: source, out: to }, numbers, elementGroups(dtype, to.size));
    };
    const most = gpu.limits.maxStorageBufferBindingSize;
    if (bytesSeen(out) <= most || out.size !== whole * inner) return [run(x, out, { first: 0, row: 0, whole })];
    return inParts([out], most - 2 * alignment, whole).map(({ from, rows, tensors: [part] }) => {
      const [low, end] = [from, from + rows].map((row) => Math.min(Math.max(Math.ceil((row - start) / step), 0), n));
      const seen = windowOf(x, Math.min(low, n - 1) * inner, [Math.max(end - low, 1), inner]);
      return run(seen.tensor, part, { first: Math.min(low, n - 1) * inner - seen.start, row: from, whole: rows });
    });
  },
  { split: byOuter },
);

/**
 * Kernel that copies one tensor into its range of the concatenated result. Elements of the result outside that range
 * are not changed.
 */
const joined = variants((kind: RawKind) =>
  elements({
    name: `cat ${kind}`,
    inputs: { x: kind },
    out: kind,
    uniforms: { row: "u32", start: "u32", run: "u32" },
    partial: true,
    helpers: "fn keeps(i: u32) -> bool { return (i % u.row) < u.start || (i % u.row) - u.start >= u.run; }",
    element: "return load_x((i / u.row) * u.run + (i % u.row) - u.start);",
  }),
);

export const catKernel: WebGpuKernel = kernel<typeof cat>(
  "cat",
  (inputs, [out], { dim }, gpu) => {
    const { dim: d, outer, n, inner } = alongDim("cat", out.shape, dim);
    const kind = rawKind(out.dtype);
    const most = gpu.limits.maxStorageBufferBindingSize;
    let next = 0;
    return inputs.flatMap((x): Dispatch[] => {
      const run = x.shape[d] * inner;
      const start = next;
      next += run;
      if (run === 0) return [];
      if (outer > 1) {
        const values = { row: n * inner, start, run, size: out.size };
        return [joined(kind).dispatch({ x, out }, values, elementGroups(kind, out.size))];
      }
      // The tensor's range of the result is contiguous, so only that range is bound.
      return inParts([x], most - 2 * alignment, run).map(({ from, rows, tensors: [part] }) => {
        const to = windowOf(out, start + from, [rows]);
        const size = to.start + rows;
        const values = { row: size, start: to.start, run: rows, size };
        return joined(kind).dispatch({ x: part, out: to.tensor }, values, elementGroups(kind, size));
      });
    });
  },
  { split: byOuter },
);

const copied = elements({ name: "copyInto", inputs: { x: "word" }, out: "word", element: "return load_x(i);" });

export const copyIntoKernel: WebGpuKernel = kernel<typeof copyInto>(
  "copyInto",
  ([x, source], _outputs, _params, gpu) => {
    if (x.buffer.slab === source.buffer.slab || x.size === 0) return [];
    const words = Math.ceil(x.buffer.bytes / 4);
    const both = [source, x].map((tensor): GpuTensor => ({ ...tensor, dtype: "i32", size: words }));
    return inParts(both, gpu.limits.maxStorageBufferBindingSize, words).map(({ rows: size, tensors: [from, to] }) =>
      copied.dispatch({ x: from, out: to }, { size }, elementGroups("word", size)),
    );
  },
);

/** WGSL that converts the value `x` of the given type to the stored form of the dtype `to`. */
function narrowed(from: string, to: DType): string {
  if (to === "bool")
    return from === "f32"
      ? "select(1u, 0u, magnitudeOf(x) == 0u)"
      : `select(1u, 0u, x == 0${from === "u32" ? "u" : ""})`;
  if (to === "i32") return from === "f32" ? "cut(x, -2147483648.0, 2147483520.0, 2147483647)" : "i32(x)";
  if (to !== "u8") return "f32(x)";
  if (from === "f32") return "u32(cut(x, 0.0, 255.0, 255))";
  return from === "i32" ? "u32(clamp(x, 0, 255))" : "x";
}

/**
 * WGSL function that converts a float to an integer: drops the fraction, clamps to the dtype's range, and converts NaN
 * to 0.
 */
const cutCode = `${specialCode}
fn cut(x: f32, low: f32, high: f32, most: i32) -> i32 {
  if (isNan(x)) { return 0; }
  if (x > high) { return most; }
  return i32(max(x, low));
}`;

const shaderOf = variants((from: DType, to: DType) =>
  elements({
    name: `to ${to} from ${from}`,
    inputs: { x: from },
    out: to,
    helpers: cutCode,
    element: `let x = load_x(i);\nreturn ${narrowed(codeType(from), to)};`,
  }),
);

export const toKernel: WebGpuKernel = kernel<typeof to>(
  "to",
  ([x], [out]) => [
    shaderOf(x.dtype, out.dtype).dispatch({ x, out }, { size: out.size }, elementGroups(out.dtype, out.size)),
  ],
  { split: byElement },
);
