import type { cat, copyInto, expand, permute, place, slice } from "@lowrank/core/backend";
import { alongDim, collapse, permutedDims, slicePlan, traversePermuted } from "@lowrank/core/backend";
import { type GpuTensor, kernel, type WebGpuKernel } from "../kernel.ts";
import { elementGroups, elements, type RawKind, rawKind } from "../wgsl/elements.ts";
import { type Dispatch, variants } from "../wgsl/shader.ts";
import { walk, walkValues } from "../wgsl/walk.ts";

// Ops that move elements and do not look at them: by bits, in any dtype.

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

/** Returns the run that reads x along a traversal of the result. */
function follow(x: GpuTensor, out: GpuTensor, traversal: ReturnType<typeof collapse>): Dispatch[] {
  const kind = rawKind(x.dtype);
  const values = { ...walkValues(traversal, ["at"]), size: out.size };
  return [strided(kind, traversal.sizes.length).dispatch({ x, out }, values, elementGroups(kind, out.size))];
}

export const expandKernel: WebGpuKernel = kernel<typeof expand>("expand", ([x], [out]) =>
  follow(x, out, collapse(out.shape, [x.shape])),
);

export const permuteKernel: WebGpuKernel = kernel<typeof permute>("permute", ([x], [out], { dims }) =>
  follow(x, out, traversePermuted(x, permutedDims(x, dims))),
);

const sliced = variants((kind: RawKind) =>
  elements({
    name: `slice ${kind}`,
    inputs: { x: kind },
    out: kind,
    uniforms: { n: "u32", inner: "u32", start: "u32", step: "u32", count: "u32" },
    element: `let row = i / u.inner;
return load_x(((row / u.count) * u.n + u.start + (row % u.count) * u.step) * u.inner + i % u.inner);`,
  }),
);

export const sliceKernel: WebGpuKernel = kernel<typeof slice>("slice", ([x], [out], params) => {
  const { n, inner, start, step, count } = slicePlan(x, params);
  const kind = rawKind(x.dtype);
  const values = { n, inner, start, step, count, size: out.size };
  return [sliced(kind).dispatch({ x, out }, values, elementGroups(kind, out.size))];
});

const placed = variants((dtype: "f32" | "i32") =>
  elements({
    name: `place ${dtype}`,
    inputs: { x: dtype },
    out: dtype,
    uniforms: { n: "u32", inner: "u32", start: "u32", step: "u32", whole: "u32", value: dtype },
    element: `let row = i / u.inner;
let at = row % u.whole;
if (at < u.start || (at - u.start) % u.step != 0u || (at - u.start) / u.step >= u.n) { return u.value; }
return load_x(((row / u.whole) * u.n + (at - u.start) / u.step) * u.inner + i % u.inner);`,
  }),
);

export const placeKernel: WebGpuKernel = kernel<typeof place>("place", ([x], [out], params) => {
  const { dim, size: whole, start, step = 1, value = 0 } = params;
  const { n, inner } = alongDim("place", x.shape, dim);
  const dtype = x.dtype === "i32" ? "i32" : "f32";
  const values = { n, inner, start, step, whole, value, size: out.size };
  return [placed(dtype).dispatch({ x, out }, values, elementGroups(dtype, out.size))];
});

/** Writes one tensor into its stretch of the result, and leaves the rest. */
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

export const catKernel: WebGpuKernel = kernel<typeof cat>("cat", (inputs, [out], { dim }) => {
  const { dim: d, n, inner } = alongDim("cat", out.shape, dim);
  const kind = rawKind(out.dtype);
  const groups = elementGroups(kind, out.size);
  let start = 0;
  return inputs.flatMap((x) => {
    const run = x.shape[d] * inner;
    const values = { row: n * inner, start, run, size: out.size };
    start += run;
    return run === 0 ? [] : [joined(kind).dispatch({ x, out }, values, groups)];
  });
});

const copied = elements({ name: "copyInto", inputs: { x: "word" }, out: "word", element: "return load_x(i);" });

export const copyIntoKernel: WebGpuKernel = kernel<typeof copyInto>("copyInto", ([x, source]) => {
  if (x.buffer.slab === source.buffer.slab || x.size === 0) return [];
  const size = Math.ceil(x.buffer.bytes / 4);
  return [copied.dispatch({ x: source, out: x }, { size }, elementGroups("word", size))];
});
