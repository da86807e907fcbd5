import { alongDim, type max, type min, type topk } from "@lowrank/core/backend";
import { type KernelCode, kernel, type WebGpuKernel } from "../kernel/kernel.ts";
import { shader, variants } from "../kernel/shader.ts";
import { byOuter } from "../kernel/split.ts";
import { lanes } from "../selfCheck/shrink.ts";
import { rankCode } from "../wgsl/math.ts";
import { isShort, rowGroups, rowsCode } from "../wgsl/rows.ts";

/**
 * Kernel that selects, for each run of elements along a dimension, the k best ones. It repeats k times: select the best
 * element that ranks after the one selected before. Of equal elements, the first ranks first.
 */
const made = variants((alone: boolean) =>
  shader({
    name: "topk",
    bindings: { x: "read u32", values: "write u32", positions: "write i32" },
    uniforms: { rows: "u32", n: "u32", inner: "u32", k: "u32" },
    code: (subgroups) => `${rankCode}
${rowsCode(
  subgroups,
  alone,
  `  let start = (row / u.inner) * u.n * u.inner + row % u.inner;
  let to = (row / u.inner) * u.k * u.inner + row % u.inner;
  var last = 0x7fffffff;
  var lastAt = -1;
  for (var taken = 0u; taken < u.k; taken++) {
    var best = -0x7fffffff - 1;
    var position = 0;
    for (var i = part; i < u.n; i += width) {
      let rank = rankOf(x[start + i * u.inner]);
      let open = rank < last || (rank == last && i32(i) > lastAt);
      if (open && rank > best) { best = rank; position = i32(i); }
    }
    last = most(part, best);
    lastAt = -most(part, select(-0x7fffffff, -position, best == last));
    if (part == 0u) {
      values[to + taken * u.inner] = x[start + u32(lastAt) * u.inner];
      positions[to + taken * u.inner] = lastAt;
    }
  }`,
)}`,
  }),
);

export const topkKernel: WebGpuKernel = kernel<typeof topk>(
  "topk",
  ([x], [values, positions], { k, dim }) => {
    const { outer, n, inner } = alongDim("topk", x.shape, dim);
    const rows = outer * inner;
    const alone = isShort(n);
    return [made(alone).dispatch({ x, values, positions }, { rows, n, inner, k }, rowGroups(rows, alone))];
  },
  { example: lanes, split: byOuter },
);

/**
 * Kernel that selects one element, and its position, from each run of elements along a dimension. `rank` is the WGSL
 * function that maps elements to integers. The element with the largest integer is selected, or the first of several.
 */
const extremumShader = variants((name: string, rank: string, alone: boolean) =>
  shader({
    name,
    bindings: { x: "read u32", values: "write u32", positions: "write i32" },
    uniforms: { rows: "u32", n: "u32", inner: "u32" },
    code: (subgroups) => `${rankCode}
${rowsCode(
  subgroups,
  alone,
  `  let start = (row / u.inner) * u.n * u.inner + row % u.inner;
  var best = -0x7fffffff;
  var position = 0;
  for (var i = part; i < u.n; i += width) {
    let rank = ${rank}(x[start + i * u.inner]);
    if (rank > best) { best = rank; position = i32(i); }
  }
  let top = most(part, best);
  let first = -most(part, select(-0x7fffffff, -position, best == top));
  if (part == 0u) {
    values[row] = x[start + u32(first) * u.inner];
    positions[row] = first;
  }`,
)}`,
  }),
);

const extremum =
  (name: string, rank: string): KernelCode<{ readonly dim: number }> =>
  ([x], [values, positions], { dim }) => {
    const { outer, n, inner } = alongDim(name, x.shape, dim);
    const rows = outer * inner;
    const alone = isShort(n);
    return [
      extremumShader(name, rank, alone).dispatch({ x, values, positions }, { rows, n, inner }, rowGroups(rows, alone)),
    ];
  };

export const maxKernel: WebGpuKernel = kernel<typeof max>("max", extremum("max", "rankOf"), {
  example: lanes,
  split: byOuter,
});
export const minKernel: WebGpuKernel = kernel<typeof min>("min", extremum("min", "lowRankOf"), {
  example: lanes,
  split: byOuter,
});
