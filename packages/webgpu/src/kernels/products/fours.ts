import type { DType } from "@lowrank/core/backend";
import { codebookOf, floatText } from "../../wgsl/packed.ts";

/**
 * WGSL that makes four elements of a weight, from element i on, a multiple of four, by how it is
 * stored. `w` is a binding of words. Four elements never straddle blocks, so one scale serves them.
 */
const ofWords: Readonly<Record<string, string>> = {
  f16: `let low = w[i >> 1u]; let high = w[(i >> 1u) + 1u];
return vec4f(f16ToF32(low & 65535u), f16ToF32(low >> 16u), f16ToF32(high & 65535u), f16ToF32(high >> 16u));`,
  bf16: `let low = w[i >> 1u]; let high = w[(i >> 1u) + 1u];
return bitcast<vec4f>(vec4u(low << 16u, low & 0xffff0000u, high << 16u, high & 0xffff0000u));`,
  q4_0: `let at = (i >> 5u) * 18u; let l = i & 31u;
let q = w_word(at + 2u + (l & 12u)) >> select(0u, 4u, l > 15u);
return w_half(at) * (vec4f(vec4u(q & 15u, (q >> 8u) & 15u, (q >> 16u) & 15u, (q >> 24u) & 15u)) - 8.0);`,
  q4_1: `let at = (i >> 5u) * 20u; let l = i & 31u;
let q = w_word(at + 4u + (l & 12u)) >> select(0u, 4u, l > 15u);
let codes = vec4f(vec4u(q & 15u, (q >> 8u) & 15u, (q >> 16u) & 15u, (q >> 24u) & 15u));
return w_half(at) * codes + w_half(at + 2u);`,
  q8_0: `let at = (i >> 5u) * 34u;
let q = bitcast<i32>(w_word(at + 2u + (i & 31u)));
return w_half(at) * vec4f(vec4i(q << 24u, q << 16u, q << 8u, q) >> vec4u(24u));`,
};

/** WGSL: the word, or the f16, whose bytes begin at `at`, an even place. */
const bytesCode = `
fn w_word(at: u32) -> u32 {
  let word = w[at >> 2u];
  if ((at & 2u) == 0u) { return word; }
  return (word >> 16u) | (w[(at >> 2u) + 1u] << 16u);
}
fn w_half(at: u32) -> f32 { return f16ToF32((w[at >> 2u] >> (8u * (at & 2u))) & 65535u); }`;

/**
 * WGSL: the number of an 8-bit code of nested scales, one of 2^e even steps of the decade
 * 10^(e - 6), as bitsandbytes makes its dynamic map.
 */
const nestedCode = `
const decades = array<f32, 7>(1e-6f, 1e-5f, 1e-4f, 1e-3f, 1e-2f, 1e-1f, 1.0f);
fn nestedNumber(code: u32) -> f32 {
  if (code == 127u) { return 0.0; }
  if (code == 255u) { return 1.0; }
  let at = select(127u - code, code - 127u, code > 127u);
  let e = 31u - countLeadingZeros(at);
  let size = decades[e] * (0.1 + 0.9 * (f32(at - (1u << e)) + 0.5) / f32(1u << e));
  return select(-size, size, code > 127u);
}`;

const plainScale = "return bitcast<f32>(w[(w[1] >> 2u) + block]);";

const nestedScale = `let at = w[1] + block;
let second = bitcast<f32>(w[(w[2] >> 2u) + (block >> 8u)]);
return nestedNumber((w[at >> 2u] >> (8u * (at & 3u))) & 255u) * second + bitcast<f32>(w[3]);`;

/** WGSL of the codes' numbers, in workgroup memory where threads wait for each other anyway. */
function codebookCode(dtype: DType, shared: boolean): string {
  const { values } = codebookOf(dtype);
  const table = `const w_table = array<f32, 16>(${Array.from(values, floatText).join(", ")});`;
  return shared ? `${table}\nvar<workgroup> w_codes: array<f32, 16>;` : table;
}

/** WGSL that fills the codes' numbers in workgroup memory; all threads run it. */
export const shareCodebook = "if (lane < 16u) { w_codes[lane] = w_table[lane]; }\nworkgroupBarrier();";

/** True for formats whose codes look up a number. */
export const hasCodebook = (dtype: DType): boolean => dtype === "nf4" || dtype === "fp4";

/** WGSL with `w_scale(block)` and the codes' numbers, for nf4 and fp4. */
function codebookParts(dtype: DType, nested: boolean, shared: boolean): string {
  return `${codebookCode(dtype, shared)}
${nested ? nestedCode : ""}
fn w_scale(i: u32) -> f32 {
let block = i >> firstTrailingBit(w[0]);
${nested ? nestedScale : plainScale}
}`;
}

/**
 * WGSL with `four_w(i: u32) -> vec4f` for a weight `w` of any storage but f32. `nested` scales are
 * 8-bit codes; `shared` keeps the codes' numbers in workgroup memory.
 */
export function weightFours(dtype: DType, nested: boolean, shared: boolean): string {
  const known = ofWords[dtype];
  if (known !== undefined) {
    const helpers = known.includes("w_half") ? bytesCode : "";
    return `${helpers}\nfn four_w(i: u32) -> vec4f {\n${known}\n}`;
  }
  const codes = shared ? "w_codes" : "w_table";
  return `${codebookParts(dtype, nested, shared)}
fn four_w(i: u32) -> vec4f {
let q = w[16u + (i >> 3u)] >> (16u * ((i >> 2u) & 1u));
return w_scale(i) * vec4f(${codes}[(q >> 4u) & 15u], ${codes}[q & 15u], ${codes}[(q >> 12u) & 15u], ${codes}[(q >> 8u) & 15u]);
}`;
}

/** WGSL with `load_w(i: u32) -> f32` for an nf4 or fp4 weight; see `weightFours`. */
export function weightOnes(dtype: DType, nested: boolean, shared: boolean): string {
  return `${codebookParts(dtype, nested, shared)}
fn load_w(i: u32) -> f32 {
let q = w[16u + (i >> 3u)] >> (8u * ((i >> 1u) & 3u) + 4u * (1u - (i & 1u)));
return w_scale(i) * ${shared ? "w_codes" : "w_table"}[q & 15u];
}`;
}
