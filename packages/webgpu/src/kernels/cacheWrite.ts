import type { cacheWrite } from "@lowrank/core/backend";
import { forEachSequence } from "@lowrank/core/backend";
import { kernel, type WebGpuKernel } from "../kernel/kernel.ts";
import { type Dispatch, entry, shader, spread } from "../kernel/shader.ts";
import { rawKind } from "../wgsl/elements.ts";

const threads = 64;

/** Kernel that copies runs of 32-bit words, each to a place in the cache `step` words after the previous one. */
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
