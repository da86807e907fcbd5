import { adam8bitBlockSize, type adamStep8bit } from "@lowrank/core/backend";
import { kernel, type WebGpuKernel } from "../kernel/kernel.ts";
import { type Binding, entry, shader, spread, variants } from "../kernel/shader.ts";
import { f32, guardInput } from "../selfCheck/shrink.ts";
import { mathCode } from "../wgsl/math.ts";
import { divide } from "../wgsl/rounding.ts";
import { finiteCode, type Guard, guardOf } from "../wgsl/steps.ts";
import { inParts } from "../wgsl/window.ts";

/** Number of elements that one thread updates. Their 8-bit codes fill one 32-bit word. */
const each = 4;
const threads = adam8bitBlockSize / each;

/** WGSL that computes the new first and second moment, and the new parameter, of one element. */
const moveCode = `let first = u.beta1 * (mTable[(mWord >> (8u * c)) & 255u] * mScales[block]) + u.rest1 * g;
    let second = u.beta2 * (vTable[(vWord >> (8u * c)) & 255u] * vScales[block]) + u.rest2 * g * g;
    let moved = p[i] * u.shrink - u.stepSize * first / (sqrtOf(second) * u.rootFactor + u.eps);`;

/**
 * WGSL function that returns the index of the table value nearest to x. As in bitsandbytes, x is first rounded to a
 * grid of 65536 points. If two values are equally near, it returns the lower index.
 */
const nearestCode = (table: string): string => `
fn ${table}_nearest(x: f32) -> u32 {
  let point = floor((x + 1.0) * 32767.5 + 0.5) * 3.0518043786287308e-05 - 1.0;
  var at = 0u;
  for (var step = 128u; step > 0u; step >>= 1u) {
    if (point >= ${table}[at + step]) { at += step; }
  }
  if (at < 255u && abs(${table}[at + 1u] - point) < abs(point - ${table}[at])) { at++; }
  return at;
}`;

/** WGSL that quantises a thread's new values of a moment to 8-bit codes, and stores the codes and the block's scale. */
const storeCode = (moment: "m" | "v", values: string, scale: string): string => `
  let ${moment}Scale = bitcast<f32>(atomicLoad(&${scale}));
  var ${moment}Codes = 0u;
  if (${moment}Scale != 0.0) {
    let inverse = divide(1.0, ${moment}Scale);
    for (var c = 0u; c < count; c++) { ${moment}Codes |= ${moment}Table_nearest(${values}[c] * inverse) << (8u * c); }
  }
  if (count > 0u) { ${moment}[word] = ${moment}Codes; }
  if (lane == 0u) { ${moment}Scales[block] = ${moment}Scale; }`;

/**
 * Kernel of an optimiser step. A workgroup updates one block of elements, which has one scale per moment: the moment's
 * largest magnitude in the block.
 */
const stepped = variants((mode: Guard["mode"]) => {
  const tests = mode === "test";
  const [codes, floats]: Binding[] = tests ? ["read u32", "read f32"] : ["write u32", "write f32"];
  return shader<string, string>({
    name: mode === "none" ? "adamStep8bit" : `adamStep8bit, ${mode}`,
    bindings: {
      ...({ p: floats, grad: "read f32", m: codes, v: codes, mScales: floats, vScales: floats } as const),
      ...({ mTable: "read f32", vTable: "read f32" } as const),
      ...(mode !== "none" && ({ guard: mode === "obey" ? "read u32" : "write atomic<u32>" } as const)),
    },
    uniforms: {
      ...({ beta1: "f32", rest1: "f32", beta2: "f32", rest2: "f32", stepSize: "f32" } as const),
      ...({ rootFactor: "f32", eps: "f32", shrink: "f32", size: "u32", blocks: "u32", last: "u32" } as const),
    },
    code: `${mathCode("sqrt")}${finiteCode}${divide}
${tests ? "" : nearestCode("mTable") + nearestCode("vTable")}
var<workgroup> firstMost: atomic<u32>;
var<workgroup> secondMost: atomic<u32>;
${entry(
  threads,
  `  let block = groupIndex;
  if (block >= u.blocks) { return; }
  ${mode === "obey" ? "if (guard[0] != 0u) { return; }" : ""}
  let word = block * ${threads}u + lane;
  let count = min(${each}u, u.size - min(u.size, ${each}u * word));
  var mWord = 0u;
  var vWord = 0u;
  if (count > 0u) { mWord = m[word]; vWord = v[word]; }
  var firsts: array<f32, ${each}>;
  var seconds: array<f32, ${each}>;
  for (var c = 0u; c < count; c++) {
    let i = ${each}u * word + c;
    let g = grad[i];
    ${moveCode}
    firsts[c] = first;
    seconds[c] = second;
    ${
      tests
        ? `if (!(isFinite(first) && isFinite(second) && isFinite(moved))) { atomicStore(&guard[u.last], 0x7fc00000u); }`
        : "p[i] = moved;"
    }
    ${tests ? "" : "atomicMax(&firstMost, magnitudeOf(first)); atomicMax(&secondMost, magnitudeOf(second));"}
  }
  ${tests ? "" : `workgroupBarrier();${storeCode("m", "firsts", "firstMost")}${storeCode("v", "seconds", "secondMost")}`}`,
)}`,
  });
});

const names = ["p", "grad", "m", "v", "mScales", "vScales"];

export const adamStep8bitKernel: WebGpuKernel = kernel<typeof adamStep8bit>(
  "adamStep8bit",
  (inputs, _outputs, params, gpu) => {
    const { lr, beta1, beta2, eps, weightDecay, step: count } = params;
    const { tensors, guard, runs } = guardOf(inputs, params, gpu);
    const [mTable, vTable] = tensors.slice(names.length);
    const [p, , , , scales] = tensors;
    const numbers = {
      ...{ beta1, rest1: 1 - beta1, beta2, rest2: 1 - beta2, eps, shrink: 1 - lr * weightDecay },
      stepSize: lr / (1 - beta1 ** count),
      rootFactor: 1 / Math.sqrt(1 - beta2 ** count),
      last: guard.tensor ? guard.tensor.size - 1 : 0,
    };
    const most = gpu.limits.maxStorageBufferBindingSize;
    // Cut only between blocks; if the parameter does not consist of whole blocks, it is not cut.
    const rows = p.size % adam8bitBlockSize === 0 ? scales.size : 1;
    const parts = inParts(tensors.slice(0, names.length), most, rows);
    const steps = parts.map(({ tensors: part }) => {
      const named = Object.fromEntries(names.map((name, i) => [name, part[i]]));
      const given = { ...named, mTable, vTable, ...(guard.tensor && { guard: guard.tensor }) };
      const [{ size }, , , , { size: blocks }] = part;
      return stepped(guard.mode).dispatch(given, { ...numbers, size, blocks }, spread(blocks, 1));
    });
    return [...runs, ...steps];
  },
  {
    supports: (_inputs, _params, { limits }) => limits.maxStorageBuffersPerShaderStage > names.length + 2,
    example: (_inputs, params) => {
      const codes = { shape: [300], dtype: "u8", below: 256 } as const;
      const scales = { ...f32(2), positive: true };
      const table = (low: number) => ({
        ...f32(256),
        values: Array.from({ length: 256 }, (_, i) => low + ((1 - low) * i) / 255),
      });
      const inputs = [f32(300), f32(300), codes, codes, scales, scales, table(-1), table(0)];
      return { inputs: [...inputs, ...guardInput(params)], params: { ...params, lr: 0.5, step: 3 } };
    },
  },
);
