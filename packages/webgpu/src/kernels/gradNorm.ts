import type { clipToNorm, gradNorm } from "@lowrank/core/backend";
import { kernel, type WebGpuKernel } from "../kernel/kernel.ts";
import { entry, shader, spread } from "../kernel/shader.ts";
import { f32 } from "../selfCheck/shrink.ts";
import { mathCode, specialCode } from "../wgsl/math.ts";
import { rowGroups, rowsCode } from "../wgsl/rows.ts";
import { inParts } from "../wgsl/window.ts";

/** Number of elements that one workgroup sums. */
const partSize = 16384;

/**
 * Kernel that computes three sums of squares for each part of the elements: magnitudes above 2^40 scaled by 2^-80,
 * below 2^-40 scaled by 2^80, and the others unscaled. So no square overflows or underflows. Blue 1978,
 * https://doi.org/10.1145/355769.355771
 */
const squares = shader({
  name: "gradNorm",
  bindings: { x: "read f32", out: "write f32" },
  uniforms: { rows: "u32", n: "u32", first: "u32" },
  code: (subgroups) => `${specialCode}
${rowsCode(
  subgroups,
  false,
  `  let begin = row * ${partSize}u;
  let end = min(begin + ${partSize}u, u.n);
  var big = 0.0;
  var middle = 0.0;
  var small = 0.0;
  for (var i = begin + part; i < end; i += width) {
    let y = x[i];
    let m = magnitudeOf(y);
    if (m > 0x53800000u && m <= 0x7f800000u) {
      let z = y * 8.271806125530277e-25;
      big += z * z;
    } else if (m < 0x2b800000u) {
      let z = y * 1.2089258196146292e24;
      small += z * z;
    } else { middle += y * y; }
  }
  let bigs = total(part, big);
  let middles = total(part, middle);
  let smalls = total(part, small);
  if (part == 0u) {
    let to = 3u * (u.first + row);
    out[to] = bigs;
    out[to + 1u] = middles;
    out[to + 2u] = smalls;
  }`,
)}`,
});

const joined = shader({
  name: "gradNorm, root",
  bindings: { sums: "read f32", out: "write f32" },
  uniforms: { rows: "u32", n: "u32" },
  code: (subgroups) => `${mathCode("sqrt")}
${rowsCode(
  subgroups,
  false,
  `  var three = vec3f(0.0);
  for (var i = part; i < u.n; i += width) { three += vec3f(sums[3u * i], sums[3u * i + 1u], sums[3u * i + 2u]); }
  let big = total(part, three.x);
  let middle = total(part, three.y);
  let small = total(part, three.z);
  if (part == 0u) {
    if (big == 0.0 && middle == 0.0) { out[0] = sqrtOf(small) * 8.271806125530277e-25; }
    else if (big == 0.0) { out[0] = sqrtOf(middle); }
    else { out[0] = sqrtOf(big + (middle * 8.271806125530277e-25) * 8.271806125530277e-25) * 1.2089258196146292e24; }
  }`,
)}`,
});

export const gradNormKernel: WebGpuKernel = kernel<typeof gradNorm>(
  "gradNorm",
  (inputs, [out], _params, gpu) => {
    const most = gpu.limits.maxStorageBufferBindingSize;
    const some = inputs
      .filter(({ size }) => size > 0)
      .flatMap((x) => inParts([x], most, x.size).flatMap(({ tensors }) => tensors));
    const counts = some.map(({ size }) => Math.ceil(size / partSize));
    const count = counts.reduce((sum, parts) => sum + parts, 0);
    const sums = gpu.scratch({ shape: [count, 3], dtype: "f32" });
    let first = 0;
    const runs = some.map((x, i) => {
      const rows = counts[i];
      const run = squares.dispatch({ x, out: sums }, { rows, n: x.size, first }, rowGroups(rows, false));
      first += rows;
      return run;
    });
    return [...runs, joined.dispatch({ sums, out }, { rows: 1, n: count }, [1, 1, 1])];
  },
  { example: (_inputs, params) => ({ inputs: [f32(37), f32(3, 5)], params }) },
);

const threads = 64;

const clipped = shader({
  name: "clipToNorm",
  bindings: { x: "write f32", norm: "read f32" },
  uniforms: { size: "u32", most: "f32" },
  code: `${specialCode}
${entry(
  threads,
  `  if (index >= u.size) { return; }
  if (isNan(norm[0])) { x[index] = nan(); return; }
  x[index] *= min(1.0, u.most / (norm[0] + 1e-6));`,
)}`,
});

export const clipToNormKernel: WebGpuKernel = kernel<typeof clipToNorm>(
  "clipToNorm",
  (inputs, _outputs, { maxNorm: most }, gpu) => {
    const norm = inputs[inputs.length - 1];
    const seen = gpu.limits.maxStorageBufferBindingSize;
    return inputs
      .slice(0, -1)
      .flatMap((x) =>
        inParts([x], seen, x.size).map(({ rows: size, tensors: [part] }) =>
          clipped.dispatch({ x: part, norm }, { size, most }, spread(size, threads)),
        ),
      );
  },
  { example: (_inputs, params) => ({ inputs: [f32(37), f32()], params: { ...params, maxNorm: 0.1 } }) },
);
