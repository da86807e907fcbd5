import type { cumsum } from "@lowrank/core/backend";
import { alongDim } from "@lowrank/core/backend";
import { kernel, type WebGpuKernel } from "../kernel/kernel.ts";
import { shader, variants } from "../kernel/shader.ts";
import { byOuter } from "../kernel/split.ts";
import { lanes } from "../selfCheck/shrink.ts";
import { isShort, rowGroups, rowsCode } from "../wgsl/rows.ts";

/**
 * Kernel of cumulative sums along one dimension. Each run of elements along that dimension is divided into contiguous
 * parts, one per thread. A thread sums its part and adds the total of the parts before it.
 */
const made = variants((alone: boolean) =>
  shader({
    name: "cumsum",
    bindings: { x: "read f32", out: "write f32" },
    uniforms: { rows: "u32", n: "u32", inner: "u32" },
    code: (subgroups) =>
      rowsCode(
        subgroups,
        alone,
        `  let start = (row / u.inner) * u.n * u.inner + row % u.inner;
  let run = (u.n + width - 1u) / width;
  let first = min(part * run, u.n);
  let end = min(first + run, u.n);
  var sum = 0.0;
  for (var i = first; i < end; i++) { sum += x[start + i * u.inner]; }
  var reached = before(part, sum).x;
  for (var i = first; i < end; i++) {
    reached += x[start + i * u.inner];
    out[start + i * u.inner] = reached;
  }`,
      ),
  }),
);

export const cumsumKernel: WebGpuKernel = kernel<typeof cumsum>(
  "cumsum",
  ([x], [out], { dim }) => {
    const { outer, n, inner } = alongDim("cumsum", x.shape, dim);
    const rows = outer * inner;
    const alone = isShort(n);
    return [made(alone).dispatch({ x, out }, { rows, n, inner }, rowGroups(rows, alone))];
  },
  { example: lanes, split: byOuter },
);
