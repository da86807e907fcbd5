import type { matmul } from "@lowrank/core/backend";
import { collapse, matmulPlan, sizeOf } from "@lowrank/core/backend";
import { kernel, type WebGpuKernel } from "../kernel.ts";
import { shader, variants } from "../wgsl/shader.ts";
import { walk, walkValues } from "../wgsl/walk.ts";

/** Rows and columns of a workgroup's tile; each of its 256 threads has 4 by 4 of them. */
const tile = 64;
/** Columns of a and rows of b that a workgroup holds at a time. */
const depth = 16;

/**
 * out[b] = a[b] b[b] for matrices in a batch, in tiles of 64 by 64 that go through workgroup
 * memory; an operand may lie transposed.
 */
const tiled = variants((transposeA: boolean, transposeB: boolean, rank: number) => {
  const { uniforms, code } = walk(rank, ["atA", "atB"], "batch");
  return shader({
    name: `matmul ${tile}x${tile}${transposeA ? " transposeA" : ""}${transposeB ? " transposeB" : ""}`,
    bindings: { a: "read f32", b: "read f32", out: "write f32" },
    uniforms: { ...uniforms, m: "u32", n: "u32", k: "u32", batches: "u32" },
    code: `
var<workgroup> left: array<array<f32, ${tile}>, ${depth}>;
var<workgroup> right: array<array<f32, ${tile}>, ${depth}>;
@compute @workgroup_size(256)
fn main(@builtin(workgroup_id) group: vec3u, @builtin(num_workgroups) groups: vec3u, @builtin(local_invocation_index) lane: u32) {
  let row0 = group.y * ${tile}u;
  let column0 = group.x * ${tile}u;
  let y = (lane / 16u) * 4u;
  let x = (lane % 16u) * 4u;
  for (var batch = group.z; batch < u.batches; batch += groups.z) {
    var atA = 0u;
    var atB = 0u;
    ${code}
    var sums: array<vec4f, 4>;
    for (var origin = 0u; origin < u.k; origin += ${depth}u) {
      for (var i = lane; i < ${tile * depth}u; i += 256u) {
        ${transposeA ? `let p = i / ${tile}u; let r = i % ${tile}u;` : `let p = i % ${depth}u; let r = i / ${depth}u;`}
        let row = row0 + r;
        let at = origin + p;
        var value = 0.0;
        if (row < u.m && at < u.k) { value = a[atA + ${transposeA ? "at * u.m + row" : "row * u.k + at"}]; }
        left[p][r] = value;
      }
      for (var i = lane; i < ${tile * depth}u; i += 256u) {
        ${transposeB ? `let p = i % ${depth}u; let c = i / ${depth}u;` : `let p = i / ${tile}u; let c = i % ${tile}u;`}
        let column = column0 + c;
        let at = origin + p;
        var value = 0.0;
        if (column < u.n && at < u.k) { value = b[atB + ${transposeB ? "column * u.k + at" : "at * u.n + column"}]; }
        right[p][c] = value;
      }
      workgroupBarrier();
      for (var p = 0u; p < ${depth}u; p++) {
        let r = vec4f(right[p][x], right[p][x + 1u], right[p][x + 2u], right[p][x + 3u]);
        sums[0] += left[p][y] * r;
        sums[1] += left[p][y + 1u] * r;
        sums[2] += left[p][y + 2u] * r;
        sums[3] += left[p][y + 3u] * r;
      }
      workgroupBarrier();
    }
    for (var i = 0u; i < 4u; i++) {
      let row = row0 + y + i;
      if (row >= u.m) { break; }
      for (var j = 0u; j < 4u; j++) {
        let column = column0 + x + j;
        if (column < u.n) { out[(batch * u.m + row) * u.n + column] = sums[i][j]; }
      }
    }
  }
}`,
  });
});

export const matmulKernel: WebGpuKernel = kernel<typeof matmul>(
  "matmul",
  ([a, b], [out], params) => {
    const { transposeA = false, transposeB = false } = params;
    let { m, n, k, batch } = matmulPlan(a.shape, b.shape, params);
    let [leadA, leadB] = [a, b].map(({ shape }) => shape.slice(0, -2));
    if (!transposeA && b.shape.length === 2) {
      // One tall product instead of a batch.
      m *= sizeOf(batch);
      [batch, leadA, leadB] = [[], [], []];
    }
    const walked = collapse(batch, [leadA, leadB]);
    const strides = [walked.strides[0].map((s) => s * m * k), walked.strides[1].map((s) => s * k * n)];
    const batches = sizeOf(batch);
    const values = { ...walkValues({ ...walked, strides }, ["atA", "atB"]), m, n, k, batches };
    const groups = [Math.ceil(n / tile), Math.ceil(m / tile), Math.min(batches, 65535)] as const;
    return [tiled(transposeA, transposeB, walked.sizes.length).dispatch({ a, b, out }, values, groups)];
  },
  (inputs) => inputs[1].dtype === "f32",
);
