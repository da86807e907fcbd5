import type { embedding, embeddingBackward, indexAdd } from "@lowrank/core/backend";
import { alongDim, type DType, isPacked } from "@lowrank/core/backend";
import { type Gpu, type GpuTensor, kernel, type WebGpuKernel } from "../kernel/kernel.ts";
import { type Dispatch, entry, shader, spread, variants } from "../kernel/shader.ts";
import { fillWords } from "../memory/hostWrites.ts";
import { f32, ids as idsBelow, last } from "../selfCheck/shrink.ts";
import { type ElementKind, elementGroups, elements, rawKind } from "../wgsl/elements.ts";
import { inParts } from "../wgsl/window.ts";

/**
 * Kernel that gathers rows of a table by id. If `partial`, the bound table is a range of rows, and only ids in that
 * range are gathered.
 */
const rowsOf = variants((weight: ElementKind, out: ElementKind, partial: boolean) =>
  elements({
    name: `embedding ${weight}${partial ? ", part" : ""}`,
    inputs: { weight, ids: "i32" },
    out,
    uniforms: { vocab: "u32", width: "u32", first: "u32", rows: "u32" },
    faults: true,
    partial,
    helpers: partial
      ? "fn keeps(i: u32) -> bool { return u32(load_ids(i / u.width)) - u.first >= u.rows && u32(load_ids(i / u.width)) < u.vocab; }"
      : "",
    element: `let at = i / u.width;
let id = u32(load_ids(at));
if (id >= u.vocab) { fault(i32(at)); return ${out === "f32" ? "0.0" : "0u"}; }
return load_weight((id - u.first) * u.width + i % u.width);`,
  }),
);

const kindsOf = (dtype: DType): readonly [ElementKind, ElementKind] =>
  isPacked(dtype) ? [dtype, "f32"] : [rawKind(dtype), rawKind(dtype)];

export const embeddingKernel: WebGpuKernel = kernel<typeof embedding>(
  "embedding",
  ([weight, ids], [out], _params, gpu) => {
    const [stored, made] = kindsOf(weight.dtype);
    const [vocab, width] = weight.shape;
    const parts = inParts([weight], gpu.limits.maxStorageBufferBindingSize, vocab);
    return parts.map(({ from: first, rows, tensors: [table] }) => {
      const values = { vocab, width, first, rows, size: out.size };
      const shader = rowsOf(stored, made, parts.length > 1);
      return shader.dispatch({ weight: table, ids, out }, values, elementGroups(made, out.size), ids);
    });
  },
  {
    example: ([weight], params) => {
      return { inputs: [{ ...weight, shape: [8, last(weight.shape)] }, idsBelow(8, 7)], params };
    },
  },
);

const threads = 64;

/**
 * Kernel that links equal indices into chains: `next` of a position is the next position with the same index, or
 * `count` if there is none. `later` is 1 at positions that are not the first of their chain.
 */
const chained = shader({
  name: "indexAdd, chains",
  bindings: { indices: "read i32", next: "write u32", later: "write u32" },
  uniforms: { count: "u32", n: "u32" },
  faults: true,
  code: entry(
    threads,
    `  if (index >= u.count) { return; }
  let id = indices[index];
  if (u32(id) >= u.n) { fault(i32(index)); }
  var at = index + 1u;
  while (at < u.count && indices[at] != id) { at++; }
  next[index] = at;
  if (at < u.count) { later[at] = 1u; }`,
  ),
});

/**
 * Kernel that sums the rows of each chain in order, so that results have the same bits each time. The loop moves to a
 * higher position each time, so it ends even if `next` has invalid values.
 */
const summed = shader({
  name: "indexAdd",
  bindings: { x: "read f32", indices: "read i32", next: "read u32", later: "read u32", out: "write f32" },
  uniforms: { size: "u32", count: "u32", inner: "u32", n: "u32", first: "u32" },
  // If the result is cut, indices outside the bound range of rows are skipped.
  code: entry(
    threads,
    `  if (index >= u.size) { return; }
  let first = (index / u.inner) % u.count;
  let id = u32(indices[first]) - u.first;
  if (id >= u.n || later[first] != 0u) { return; }
  let outer = index / u.inner / u.count;
  let column = index % u.inner;
  var sum = 0.0;
  for (var at = first; at < u.count; at = max(next[at], at + 1u)) { sum += x[(outer * u.count + at) * u.inner + column]; }
  out[(outer * u.n + id) * u.inner + column] = sum;`,
  ),
});

/** Sets out [outer, n, inner] to 0 and adds x [outer, count, inner] at the given indices [count] of dimension n. */
function addRows(x: GpuTensor, indices: GpuTensor, out: GpuTensor, n: number, inner: number, gpu: Gpu): Dispatch[] {
  const count = indices.size;
  const most = gpu.limits.maxStorageBufferBindingSize;
  const parts = out.size === n * inner ? inParts([out], most, n) : [{ from: 0, rows: n, tensors: [out] }];
  const zeros = fillWords(out.buffer, 0, most);
  if (x.size === 0) return zeros;
  const places = () => gpu.scratch({ shape: [count], dtype: "i32" });
  const [next, later] = [places(), places()];
  return [
    ...zeros,
    ...fillWords(later.buffer, 0, most),
    chained.dispatch({ indices, next, later }, { count, n }, spread(count, threads), indices),
    ...parts.map(({ from, rows, tensors: [part] }) => {
      const values = { size: x.size, count, inner, n: rows, first: from };
      return summed.dispatch({ x, indices, next, later, out: part }, values, spread(x.size, threads));
    }),
  ];
}

export const embeddingBackwardKernel: WebGpuKernel = kernel<typeof embeddingBackward>(
  "embeddingBackward",
  ([dy, ids], [out], { vocab }, gpu) => addRows(dy, ids, out, vocab, out.shape[1], gpu),
  { example: ([dy]) => ({ inputs: [f32(9, last(dy.shape)), idsBelow(5, 9)], params: { vocab: 5 } }) },
);

export const indexAddKernel: WebGpuKernel = kernel<typeof indexAdd>(
  "indexAdd",
  ([x, indices], [out], { dim, size }, gpu) =>
    addRows(x, indices, out, size, alongDim("indexAdd", x.shape, dim).inner, gpu),
  { example: () => ({ inputs: [f32(9, 5), idsBelow(4, 9)], params: { dim: 0, size: 4 } }) },
);
