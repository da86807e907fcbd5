import type { DType, FourBitFormat, quantize4bit } from "@lowrank/core/backend";
import { dynamicMap } from "@lowrank/core/functions";
import { kernel, type WebGpuKernel } from "../kernel/kernel.ts";
import { type Dispatch, entry, shader, spread, variants } from "../kernel/shader.ts";
import { fillWords } from "../memory/hostWrites.ts";
import { type ElementKind, loadCode, storageType } from "../wgsl/elements.ts";
import { codebookOf, floatText } from "../wgsl/packed.ts";
import { divideCode, halfCode } from "../wgsl/rounding.ts";

const list = (values: ArrayLike<number>, text: (v: number) => string): string => Array.from(values, text).join(", ");

/**
 * Kernel that packs 4-bit codes, one block per thread, since a block's codes fill whole words. Writes the scales to the
 * packed weight, or to `scales` if they will be quantised too (nested). Reports a fault at the index of a block with a
 * non-finite value.
 */
const packed = variants((kind: ElementKind, dtype: DType, nested: boolean) => {
  const { thresholds, order } = codebookOf(dtype) as FourBitFormat["codebook"];
  return shader<string, "size" | "blockSize" | "blocks" | "absmax">({
    name: `quantize4bit ${dtype} from ${kind}`,
    bindings: {
      ...({ x: `read ${storageType(kind)}`, out: "write u32" } as const),
      ...(nested && ({ scales: "write f32" } as const)),
    },
    uniforms: { size: "u32", blockSize: "u32", blocks: "u32", absmax: "u32" },
    faults: true,
    code: `${halfCode}
${loadCode(kind, "x")}
${divideCode}
var<private> thresholds: array<f32, 15> = array<f32, 15>(${list(thresholds, floatText)});
var<private> order: array<u32, 16> = array<u32, 16>(${list(order, (v) => `${v}u`)});
fn codeOf(x: f32) -> u32 {
  var below = 0u;
  while (below < 15u && thresholds[below] < x) { below++; }
  return order[below];
}
${entry(
  64,
  `  if (index >= u.blocks) { return; }
  let first = index * u.blockSize;
  let end = min(first + u.blockSize, u.size);
  var most = 0.0;
  var broken = false;
  for (var i = first; i < end; i++) {
    let x = abs(load_x(i));
    broken = broken || bitcast<u32>(x) >= 0x7f800000u;
    most = max(most, x);
  }
  if (broken) { fault(i32(index)); return; }
  let whole = end - first == u.blockSize;
  let divisor = max(most, 1e-38f);
  let inverse = divide(1.0, divisor);
  let scale = select(divisor, most, whole);
  ${nested ? "scales[index] = scale;" : "out[u.absmax / 4u + index] = bitcast<u32>(scale);"}
  for (var i = first; i < end; i += 8u) {
    var word = 0u;
    for (var k = 0u; k < 8u; k++) {
      // The second code of the last byte is that of 0 where the size is odd.
      if (i + k >= ((end + 1u) & ~1u)) { break; }
      var scaled = 0.0;
      if (i + k < end) {
        if (whole) { scaled = load_x(i + k) * inverse; } else { scaled = divide(load_x(i + k), divisor); }
      }
      word |= codeOf(scaled) << (8u * (k / 2u) + select(4u, 0u, (k & 1u) == 1u));
    }
    out[16u + i / 8u] = word;
  }`,
)}`,
  });
});

const header = shader({
  name: "quantize4bit header",
  bindings: { out: "write u32" },
  uniforms: { blockSize: "u32", absmax: "u32", nested: "u32" },
  code: `@compute @workgroup_size(1)
fn main() {
  out[0] = u.blockSize;
  out[1] = u.absmax;
  out[2] = u.nested;
}`,
});

/**
 * Kernel in which one workgroup computes the mean of the scales. It adds them in the order of core's `cascadeMean` (32
 * parallel sums in four levels), so that the mean has the same bits.
 */
const mean = shader({
  name: "quantize4bit mean",
  bindings: { scales: "read f32", out: "write u32" },
  uniforms: { size: "u32", power: "u32" },
  faults: true,
  code: `${divideCode}
var<workgroup> sums: array<f32, 32>;
@compute @workgroup_size(32)
fn main(@builtin(local_invocation_index) lane: u32) {
  let rows = u.size / 32u;
  var acc = array<f32, 4>();
  for (var row = 0u; row < rows;) {
    acc[0] += scales[row * 32u + lane];
    row++;
    if (row % (1u << u.power) == 0u) {
      for (var level = 1u; level < 4u; level++) {
        acc[level] += acc[level - 1u];
        acc[level - 1u] = 0.0;
        if ((row & (((1u << u.power) - 1u) << (level * u.power))) != 0u) { break; }
      }
    }
  }
  for (var level = 1u; level < 4u; level++) { acc[0] += acc[level]; }
  sums[lane] = acc[0];
  workgroupBarrier();
  if (lane != 0u) { return; }
  var total = 0.0;
  if (u.size < 8u) {
    total = scales[0];
    for (var i = 4u; i < u.size; i++) { total += scales[i]; }
    for (var i = 1u; i < min(u.size, 4u); i++) { total += scales[i]; }
  } else {
    let whole = u.size - u.size % 8u;
    for (var at = rows * 32u; at < whole; at += 8u) {
      for (var i = 0u; i < 8u; i++) { sums[i] += scales[at + i]; }
    }
    for (var at = 8u; at < 32u; at += 8u) {
      for (var i = 0u; i < 8u; i++) { sums[i] += sums[at + i]; }
    }
    for (var i = whole; i < u.size; i++) { total += scales[i]; }
    for (var i = 0u; i < 8u; i++) { total += sums[i]; }
  }
  let offset = divide(total, f32(u.size));
  if ((bitcast<u32>(offset) & 0x7fffffffu) >= 0x7f800000u) {
    if (faults.op == 0u) { faults.value = bitcast<u32>(offset); }
    fault(-1);
  }
  out[3] = bitcast<u32>(offset);
}`,
});

/** Kernel that quantises the scales to 8 bits. Each thread processes 256 scales, which share a second scale. */
const nestedScales = shader({
  name: "quantize4bit nested",
  bindings: { scales: "read f32", out: "write u32" },
  uniforms: { blocks: "u32", absmax: "u32", nested: "u32", groups: "u32" },
  code: `${divideCode}
var<private> codes: array<f32, 256> = array<f32, 256>(${list(dynamicMap(), floatText)});
fn nearest(x: f32) -> u32 {
  var at = 0u;
  while (at < 255u && x >= codes[at + 1u]) { at++; }
  if (at < 255u && abs(codes[at + 1u] - x) < abs(x - codes[at])) { at++; }
  return at;
}
${entry(
  64,
  `  if (index >= u.groups) { return; }
  let offset = bitcast<f32>(out[3]);
  let first = index * 256u;
  let end = min(first + 256u, u.blocks);
  var most = 0.0;
  for (var i = first; i < end; i++) { most = max(most, abs(scales[i] - offset)); }
  out[u.nested / 4u + index] = bitcast<u32>(most);
  var inverse = 0.0;
  if (most > 0.0) { inverse = divide(1.0, most); }
  for (var i = first; i < end; i += 4u) {
    var word = 0u;
    for (var k = 0u; k < 4u && i + k < end; k++) {
      if (most > 0.0) { word |= nearest((scales[i + k] - offset) * inverse) << (8u * k); }
    }
    out[u.absmax / 4u + i / 4u] = word;
  }`,
)}`,
});

export const quantize4bitKernel: WebGpuKernel = kernel<typeof quantize4bit>(
  "quantize4bit",
  ([x], [out], params, gpu, op) => {
    const { absmax, blocks, nested, nestedBlocks } = op.plan([x], [out], params);
    const { blockSize = 64 } = params;
    const codes = packed(x.dtype, out.dtype, nested !== 0);
    const values = { size: x.size, blockSize, blocks, absmax };
    const groups = spread(blocks, 64);
    const head: Dispatch[] = [
      ...fillWords(out.buffer, 0, gpu.limits.maxStorageBufferBindingSize),
      header.dispatch({ out }, { blockSize, absmax, nested }, [1, 1, 1]),
    ];
    if (nested === 0) return [...head, codes.dispatch({ x, out }, values, groups, x)];
    const scales = gpu.scratch({ shape: [blocks], dtype: "f32" });
    const power = Math.max(4, Math.floor(Math.ceil(Math.log2(Math.floor(blocks / 32))) / 4));
    const places = { blocks, absmax, nested, groups: nestedBlocks };
    return [
      ...head,
      codes.dispatch({ x, out, scales }, values, groups, x),
      mean.dispatch({ scales, out }, { size: blocks, power }, [1, 1, 1], scales),
      nestedScales.dispatch({ scales, out }, places, spread(nestedBlocks, 64)),
    ];
  },
);
