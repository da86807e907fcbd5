import { type DType, formatOf } from "@lowrank/core/backend";

type PackedDType = Parameters<typeof formatOf>[0];

/** The byte at `at` of a binding of words. */
const byteOf = (name: string, at: string): string => `((${name}[(${at}) >> 2u] >> (8u * ((${at}) & 3u))) & 255u)`;

/** The f16 whose two bytes begin at `at`, an even place. */
const halfOf = (name: string, at: string): string =>
  `f16ToF32((${name}[(${at}) >> 2u] >> (8u * ((${at}) & 2u))) & 65535u)`;

const floats = (values: ArrayLike<number>): string => Array.from(values, (v) => floatText(v)).join(", ");

/** An f32 as WGSL reads it, to the bit. */
export function floatText(value: number): string {
  const text = String(Math.fround(value));
  return `${/[.e]/.test(text) ? text : `${text}.0`}f`;
}

/** WGSL that widens element i of GGUF's blocks, by the name of the binding. */
const blockLoads: Readonly<Record<string, (x: string) => string>> = {
  q4_0: (x) => `
  let at = (i / 32u) * 18u;
  let l = i % 32u;
  let q = ${byteOf(x, "at + 2u + (l & 15u)")};
  return ${halfOf(x, "at")} * f32(i32(select(q & 15u, q >> 4u, l > 15u)) - 8);`,
  q4_1: (x) => `
  let at = (i / 32u) * 20u;
  let l = i % 32u;
  let q = ${byteOf(x, "at + 4u + (l & 15u)")};
  let scaled = ${halfOf(x, "at")} * f32(select(q & 15u, q >> 4u, l > 15u));
  return scaled + ${halfOf(x, "at + 2u")};`,
  q8_0: (x) => `
  let at = (i / 32u) * 34u;
  let q = ${byteOf(x, "at + 2u + i % 32u")};
  return ${halfOf(x, "at")} * f32(bitcast<i32>(q << 24u) >> 24u);`,
};

/** The numbers that the codes of a 4-bit format stand for. */
export function codebookOf(dtype: DType): { values: Float32Array; thresholds: Float32Array; order: Uint8Array } {
  const format = formatOf(dtype as PackedDType);
  if (!("codebook" in format)) throw new Error(`webgpu: ${dtype} has no codebook`);
  return format.codebook as ReturnType<typeof codebookOf>;
}

/**
 * WGSL with a function `load_x(i: u32) -> f32` for a packed binding `x` of words. nf4 and fp4 find
 * their parts by the header in the bytes; `nested` is the table of nested scales.
 */
export function packedLoad(dtype: DType, x: string, nested: ArrayLike<number>): string {
  if (dtype in blockLoads) return `fn load_${x}(i: u32) -> f32 {${blockLoads[dtype](x)}\n}`;
  const { values } = codebookOf(dtype);
  return `
var<private> ${x}_codes: array<f32, 16> = array<f32, 16>(${floats(values)});
var<private> ${x}_nested: array<f32, 256> = array<f32, 256>(${floats(nested)});
fn scale_${x}(block: u32) -> f32 {
  if (${x}[2] == 0u) { return bitcast<f32>(${x}[${x}[1] / 4u + block]); }
  let second = bitcast<f32>(${x}[${x}[2] / 4u + block / 256u]);
  let scaled = ${x}_nested[${byteOf(x, `${x}[1] + block`)}] * second;
  return scaled + bitcast<f32>(${x}[3]);
}
fn load_${x}(i: u32) -> f32 {
  let q = ${byteOf(x, "64u + i / 2u")};
  return ${x}_codes[select(q & 15u, q >> 4u, (i & 1u) == 0u)] * scale_${x}(i / ${x}[0]);
}`;
}
