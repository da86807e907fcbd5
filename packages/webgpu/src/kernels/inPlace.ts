import { type addInto, type cacheWrite, forEachSequence, type scaleInPlace } from "@lowrank/core/backend";
import { kernel, type WebGpuKernel } from "../kernel/kernel.ts";
import { type Dispatch, entry, shader, spread } from "../kernel/shader.ts";
import { byElement } from "../kernel/split.ts";
import { numbers } from "../selfCheck/shrink.ts";
import { rawKind } from "../wgsl/elements.ts";

const threads = 64;

const scaled = shader({
  name: "scaleInPlace",
  bindings: { x: "write f32" },
  uniforms: { size: "u32", factor: "f32" },
  code: entry(threads, "  if (index < u.size) { x[index] *= u.factor; }"),
});

export const scaleInPlaceKernel: WebGpuKernel = kernel<typeof scaleInPlace>(
  "scaleInPlace",
  ([x], _outputs, { factor }) => [scaled.dispatch({ x }, { size: x.size, factor }, spread(x.size, threads))],
  { example: numbers, split: byElement },
);

const added = shader({
  name: "addInto",
  bindings: { x: "write f32", y: "read f32" },
  uniforms: { size: "u32", alpha: "f32" },
  code: entry(threads, "  if (index < u.size) { x[index] += u.alpha * y[index]; }"),
});

export const addIntoKernel: WebGpuKernel = kernel<typeof addInto>(
  "addInto",
  ([x, y], _outputs, { alpha = 1 }) => {
    const groups = spread(x.size, threads);
    // x and y are the same buffer, which must not be bound twice to one kernel, so x is scaled instead.
    if (x.buffer.slab === y.buffer.slab) return [scaled.dispatch({ x }, { size: x.size, factor: 1 + alpha }, groups)];
    return [added.dispatch({ x, y }, { size: x.size, alpha }, groups)];
  },
  { example: numbers, split: byElement },
);

/**
 * Kernel that copies rows into the KV cache, in pieces of `run` consecutive 32-bit words. In the cache, the pieces
 * start `step` words apart.
 */
const copied = shader({
  name: "cacheWrite",
  bindings: { rows: "read u32", cache: "write u32" },
  uniforms: { size: "u32", first: "u32", start: "u32", run: "u32", step: "u32" },
  code: entry(
    threads,
    "  if (index < u.size) { cache[u.start + (index / u.run) * u.step + index % u.run] = rows[u.first + index]; }",
  ),
});

export const cacheWriteKernel: WebGpuKernel = kernel<typeof cacheWrite>(
  "cacheWrite",
  ([cache, rows], _outputs, params) => {
    const runs: Dispatch[] = [];
    const step = cache.size / cache.shape[0];
    forEachSequence(cache, rows, params, (start, first, run) => {
      const all = typeof params.position === "number";
      if (run === 0 || (all && first > 0)) return;
      const size = all ? rows.size : run;
      runs.push(copied.dispatch({ rows, cache }, { size, first, start, run, step }, spread(size, threads)));
    });
    return runs;
  },
  {
    supports: ([cache]) => rawKind(cache.dtype) === "word",
    example: ([cache], { position }) => {
      const [few, rows] = [5, 2].map((tokens) => ({ ...cache, below: 100, shape: [3, tokens, 6] }));
      return { inputs: [few, rows], params: { position: typeof position === "number" ? 2 : [3, 0, 1] } };
    },
  },
);
