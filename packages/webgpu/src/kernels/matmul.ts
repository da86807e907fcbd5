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
fn store(batch: u32, row: u32, column: u32, sums: vec4f) {
  if (row >= u.m) { return; }
  let at = (batch * u.m + row) * u.n + column;
  for (var j = 0u; j < 4u; j++) {
    if (column + j < u.n) { out[at + j] = sums[j]; }
  }
}
@compute @workgroup_size(256)
fn main(@builtin(workgroup_id) group: vec3u, @builtin(num_workgroups) groups: vec3u, @builtin(local_invocation_index) lane: u32) {
  let column0 = group.x * ${tile}u;
  let y = (lane / 16u) * 4u;
  let x = (lane % 16u) * 4u;
  let rowTiles = (u.m + ${tile - 1}u) / ${tile}u;
  for (var work = group.y; work < rowTiles * u.batches; work += groups.y) {
    let row0 = (work % rowTiles) * ${tile}u;
    let batch = work / rowTiles;
    var atA = 0u;
    var atB = 0u;
    ${code}
    var s0 = vec4f();
    var s1 = vec4f();
    var s2 = vec4f();
    var s3 = vec4f();
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
        s0 += left[p][y] * r;
        s1 += left[p][y + 1u] * r;
        s2 += left[p][y + 2u] * r;
        s3 += left[p][y + 3u] * r;
      }
      workgroupBarrier();
    }
    store(batch, row0 + y, column0 + x, s0);
    store(batch, row0 + y + 1u, column0 + x, s1);
    store(batch, row0 + y + 2u, column0 + x, s2);
    store(batch, row0 + y + 3u, column0 + x, s3);
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
    const groups = [Math.ceil(n / tile), Math.min(Math.ceil(m / tile) * batches, 65535), 1] as const;
    return [tiled(transposeA, transposeB, walked.sizes.length).dispatch({ a, b, out }, values, groups)];
  },
  (inputs) => inputs[1].dtype === "f32",
);
