import {
  alongDim,
  type gather,
  type indexSelect,
  type inRange,
  normalizeDim,
  type scatterAdd,
  sizeOf,
  stridesOf,
} from "@lowrank/core/backend";
import { kernel, type WebGpuKernel } from "../kernel/kernel.ts";
import { entry, shader, spread, variants } from "../kernel/shader.ts";
import { fillWords } from "../memory/hostWrites.ts";
import { elementGroups, elements, type RawKind, rawKind } from "../wgsl/elements.ts";
import { walk, walkValues } from "../wgsl/walk.ts";

const selected = variants((kind: RawKind) =>
  elements({
    name: `indexSelect ${kind}`,
    inputs: { x: kind, indices: "i32" },
    out: kind,
    uniforms: { n: "u32", inner: "u32", count: "u32" },
    faults: true,
    element: `let row = i / u.inner;
let at = row % u.count;
let entry = u32(load_indices(at));
if (entry >= u.n) { fault(i32(at)); return 0u; }
return load_x(((row / u.count) * u.n + entry) * u.inner + i % u.inner);`,
  }),
);

export const indexSelectKernel: WebGpuKernel = kernel<typeof indexSelect>(
  "indexSelect",
  ([x, indices], [out], { dim }) => {
    const { n, inner } = alongDim("indexSelect", x.shape, dim);
    const kind = rawKind(x.dtype);
    const values = { n, inner, count: indices.size, size: out.size };
    return [selected(kind).dispatch({ x, indices, out }, values, elementGroups(kind, out.size), indices)];
  },
);

const gathered = variants((rank: number) => {
  const { uniforms, code } = walk(rank, ["at"], "i");
  return elements({
    name: "gather",
    inputs: { x: "word", indices: "i32" },
    out: "word",
    uniforms: { ...uniforms, n: "u32", stride: "u32" },
    faults: true,
    element: `let entry = u32(load_indices(i));
if (entry >= u.n) { fault(i32(i)); return 0u; }
var at = entry * u.stride;
${code}
return load_x(at);`,
  });
});

export const gatherKernel: WebGpuKernel = kernel<typeof gather>("gather", ([x, indices], [out], { dim }) => {
  const d = normalizeDim("gather", dim, x.shape.length);
  const strides = stridesOf(x.shape);
  const traversal = { sizes: indices.shape, strides: [strides.map((stride, i) => (i === d ? 0 : stride))] };
  const values = { ...walkValues(traversal, ["at"]), n: x.shape[d], stride: strides[d], size: out.size };
  const tensors = { x, indices, out };
  return [gathered(indices.shape.length).dispatch(tensors, values, elementGroups("word", out.size), indices)];
});

/**
 * Kernel in which one thread sums all elements that differ only in their index in `dim`, in order, so that results have
 * the same bits each time.
 */
const scattered = variants((rank: number) => {
  const { uniforms, code } = walk(rank, ["base", "to"], "index");
  return shader({
    name: "scatterAdd",
    bindings: { x: "read f32", indices: "read i32", out: "write f32" },
    uniforms: { ...uniforms, lanes: "u32", count: "u32", step: "u32", n: "u32", stride: "u32" },
    faults: true,
    code: entry(
      64,
      `  if (index >= u.lanes) { return; }
  var base = 0u;
  var to = 0u;
  ${code}
  for (var k = 0u; k < u.count; k++) {
    let at = base + k * u.step;
    let entry = u32(indices[at]);
    if (entry >= u.n) { fault(i32(at)); } else { out[to + entry * u.stride] += x[at]; }
  }`,
    ),
  });
});

export const scatterAddKernel: WebGpuKernel = kernel<typeof scatterAdd>(
  "scatterAdd",
  ([x, indices], [out], { dim, shape }, gpu) => {
    const d = normalizeDim("scatterAdd", dim, shape.length);
    const zeros = fillWords(out.buffer, 0, gpu.limits.maxStorageBufferBindingSize);
    if (indices.size === 0) return zeros;
    const [from, to] = [stridesOf(indices.shape), stridesOf(shape)];
    const others = <T>(list: readonly T[]): T[] => list.filter((_, i) => i !== d);
    const lanes = sizeOf(others(indices.shape));
    const traversal = { sizes: [1, ...others(indices.shape)], strides: [from, to].map((list) => [0, ...others(list)]) };
    const values = {
      ...walkValues(traversal, ["base", "to"]),
      ...{ lanes, count: indices.shape[d], step: from[d], n: shape[d], stride: to[d] },
    };
    const tensors = { x, indices, out };
    return [...zeros, scattered(shape.length).dispatch(tensors, values, spread(lanes, 64), indices)];
  },
);

const shaderOf = variants((dtype: "f32" | "i32") =>
  elements({
    name: `inRange ${dtype}`,
    inputs: { x: dtype },
    out: dtype,
    uniforms: { low: dtype, high: dtype, except: dtype, excepts: "u32" },
    faults: true,
    element: `let x = load_x(i);
if ((x < u.low || x > u.high) && (u.excepts == 0u || x != u.except)) { fault(i32(i)); }
return x;`,
  }),
);

/** Clamps to the range of i32. */
const within = (value: number): number => Math.min(Math.max(value, -(2 ** 31)), 2 ** 31 - 1);

export const inRangeKernel: WebGpuKernel = kernel<typeof inRange>("inRange", ([x], [out], params) => {
  const { low, high = Infinity, except } = params;
  const dtype = x.dtype === "i32" ? "i32" : "f32";
  const ends = dtype === "i32" ? { low: within(Math.ceil(low)), high: within(Math.floor(high)) } : { low, high };
  const values = { ...ends, except: except ?? 0, excepts: except === undefined ? 0 : 1, size: out.size };
  return [shaderOf(dtype).dispatch({ x, out }, values, elementGroups(dtype, out.size), x)];
});
