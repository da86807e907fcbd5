import type { linearCrossEntropyOp } from "@lowrank/core/backend";
import { kernel, type WebGpuKernel } from "../kernel/kernel.ts";
import { type Dispatch, type Shader, shader, variants } from "../kernel/shader.ts";
import { fillWords } from "../memory/hostWrites.ts";
import { f32, ids } from "../selfCheck/shrink.ts";
import { mathCode, specialCode } from "../wgsl/math.ts";
import { product } from "./products/product.ts";

/** Maximum bytes of logits in memory at a time (32 MiB). */
const mostBytes = 32 << 20;
/** Rows are divided into chunks of a multiple of this many rows, if possible. */
const tileRows = 64;

/** Number of threads of a workgroup. A workgroup processes one row of logits, or counts all labels. */
const threads = 64;

/** WGSL that reduces the values in `shared_values`, one per thread, always in the same order. */
const join = (how: (a: string, b: string) => string): string => `
  for (var half = ${threads / 2}u; half > 0u; half >>= 1u) {
    workgroupBarrier();
    if (lane < half) { shared_values[lane] = ${how("shared_values[lane]", "shared_values[lane + half]")}; }
  }
  workgroupBarrier();`;

const plus = join((a, b) => `${a} + ${b}`);

const sharedCode = (type: "u32" | "f32"): string => `var<workgroup> shared_values: array<${type}, ${threads}>;`;

/**
 * Kernel that writes the factor by which every row's loss is multiplied: 1 or, for the mean, 1 / (number of labels that
 * are not ignored).
 */
const counted = shader({
  name: "linearCrossEntropy labels",
  bindings: { labels: "read i32", factor: "write f32" },
  uniforms: { size: "u32", classes: "u32", ignored: "i32", mean: "u32" },
  faults: true,
  code: `${specialCode}
${sharedCode("u32")}
@compute @workgroup_size(${threads})
fn main(@builtin(local_invocation_index) lane: u32) {
  var count = 0u;
  for (var i = lane; i < u.size; i += ${threads}u) {
    if (labels[i] == u.ignored) { continue; }
    if (u32(labels[i]) >= u.classes) { fault(i32(i)); }
    count++;
  }
  shared_values[lane] = count;
  ${plus}
  if (lane != 0u) { return; }
  factor[0] = 1.0;
  if (u.mean == 1u) {
    if (shared_values[0] == 0u) { factor[0] = nan(); } else { factor[0] = 1.0 / f32(shared_values[0]); }
  }
}`,
});

/** WGSL that replaces a row's logits by their gradients, in place. */
const gradientCode = `storageBarrier();
  for (var c = lane; c < u.classes; c += ${threads}u) {
    var slope = 0.0;
    if (label != u.ignored) {
      slope = expOf(logits[first + c] - top - whole) - share;
      if (c == u32(label)) { slope -= 1.0 - u.smoothing; }
      slope *= factor[0];
    }
    logits[first + c] = slope;
  }`;

/**
 * Kernel that computes the losses of rows of logits, one row per workgroup. If `gradient`, it replaces the logits by
 * their gradients.
 */
const rowsOf = variants((gradient: boolean) =>
  shader({
    name: `linearCrossEntropy rows${gradient ? " and gradients" : ""}`,
    bindings: { labels: "read i32", factor: "read f32", logits: "write f32", losses: "write f32" },
    uniforms: { start: "u32", classes: "u32", ignored: "i32", smoothing: "f32" },
    code: `${mathCode("exp", "log")}
${sharedCode("f32")}
@compute @workgroup_size(${threads})
fn main(@builtin(workgroup_id) group: vec3u, @builtin(local_invocation_index) lane: u32) {
  let row = u.start + group.x;
  let label = labels[row];
  let first = group.x * u.classes;
  var top = infinity(0x80000000u);
  for (var c = lane; c < u.classes; c += ${threads}u) { top = max(top, logits[first + c]); }
  shared_values[lane] = top;
  ${join((a, b) => `max(${a}, ${b})`)}
  top = shared_values[0];
  workgroupBarrier();
  var mass = 0.0;
  var below = 0.0;
  for (var c = lane; c < u.classes; c += ${threads}u) {
    let d = logits[first + c] - top;
    mass += expOf(d);
    below += d;
  }
  shared_values[lane] = mass;
  ${plus}
  let whole = logOf(shared_values[0]);
  workgroupBarrier();
  shared_values[lane] = below;
  ${plus}
  let share = u.smoothing / f32(u.classes);
  if (lane == 0u) {
    var loss = 0.0;
    if (label != u.ignored) {
      loss = (1.0 - u.smoothing) * (whole - (logits[first + u32(label)] - top));
      if (u.smoothing > 0.0) { loss += u.smoothing * whole - share * shared_values[0]; }
    }
    losses[row] = loss;
  }
  ${gradient ? gradientCode : ""}
}`,
  }),
);

const summed = shader({
  name: "linearCrossEntropy loss",
  bindings: { losses: "read f32", factor: "read f32", loss: "write f32" },
  uniforms: { size: "u32" },
  code: `${sharedCode("f32")}
@compute @workgroup_size(${threads})
fn main(@builtin(local_invocation_index) lane: u32) {
  var sum = 0.0;
  for (var i = lane; i < u.size; i += ${threads}u) { sum += losses[i]; }
  shared_values[lane] = sum;
  ${plus}
  if (lane == 0u) { loss[0] = shared_values[0] * factor[0]; }
}`,
});

/**
 * Returns the number of rows whose logits are in memory at a time: as many as fit in `mostBytes`. If that is less than
 * all rows, it is rounded down to a multiple of `tileRows` where possible.
 */
function chunkOf(rows: number, classes: number, { maxStorageBufferBindingSize }: GPUSupportedLimits): number {
  const bytes = Math.min(mostBytes, maxStorageBufferBindingSize / 4);
  const most = Math.max(1, Math.min(rows, Math.floor(bytes / (4 * classes)), 65535));
  return most < rows && most > tileRows ? most - (most % tileRows) : most;
}

/**
 * Processes rows in chunks, so that the logits of all rows are never in memory. A chunk's logits are replaced by their
 * gradients, from which the gradients of the hidden states and the weight are computed before the next chunk.
 */
export const linearCrossEntropyOpKernel: WebGpuKernel = kernel<typeof linearCrossEntropyOp>(
  "linearCrossEntropy",
  ([hidden, weight, labels], [loss, dhidden, dweight], params, gpu) => {
    const { ignoreIndex: ignored = -100, reduction = "mean", labelSmoothing: smoothing = 0, wants } = params;
    const [classes, width] = weight.shape;
    const { size } = labels;
    const most = gpu.limits.maxStorageBufferBindingSize;
    const chunk = chunkOf(size, classes, gpu.limits);
    const [factor, losses] = [1, size].map((length) => gpu.scratch({ shape: [length], dtype: "f32" }));
    const logits = gpu.scratch({ shape: [chunk, classes], dtype: "f32" });
    const labelled = { size, classes, ignored, mean: reduction === "mean" ? 1 : 0 };
    const runs: Dispatch[] = [counted.dispatch({ labels, factor }, labelled, [1, 1, 1], labels)];
    if (wants.weight && size === 0) runs.push(...fillWords(dweight.buffer, 0, most));
    const losing: Shader = rowsOf(wants.hidden || wants.weight);
    for (let start = 0; start < size; start += chunk) {
      const rows = Math.min(chunk, size - start);
      const from = start * width;
      const forward = { a: hidden, w: weight, out: logits, m: rows, n: classes, k: width, transposeB: true };
      runs.push(...product({ ...forward, start: { a: from } }, gpu));
      const values = { start, classes, ignored, smoothing };
      runs.push(losing.dispatch({ labels, factor, logits, losses }, values, [rows, 1, 1]));
      if (wants.hidden) {
        const back = { a: logits, w: weight, out: dhidden, m: rows, n: width, k: classes };
        runs.push(...product({ ...back, start: { out: from } }, gpu));
      }
      if (wants.weight) {
        const outer = { a: logits, w: hidden, out: dweight, m: classes, n: width, k: rows, transposeA: true };
        runs.push(...product({ ...outer, ending: start === 0 ? "sum" : "added", start: { w: from } }, gpu));
      }
    }
    return [...runs, summed.dispatch({ losses, factor, loss }, { size }, [1, 1, 1])];
  },
  {
    example: ([, weight], params) => {
      const [classes, width] = [Math.min(weight.shape[0], 60), 64];
      return { inputs: [f32(5, width), { ...weight, shape: [classes, width] }, ids(classes, 5)], params };
    },
  },
);
