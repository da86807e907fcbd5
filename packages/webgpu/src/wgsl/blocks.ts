import type { BlockFormat } from "@lowrank/core/backend";
import type { PackedCode } from "./packed.ts";

/**
 * Functions that return WGSL for reading codes of a quantised block. One reader handles one code (its results are
 * `u32`), another handles four adjacent codes (`vec4u`). The index of the first of the four is a multiple of four, so
 * they share one scale.
 */
interface Reader {
  /** Reads the byte of one code at byte offset `at`, or the four bytes of four codes as one word. */
  bytes(at: string): string;
  /** For each code, extracts the bits of its byte that are set in `mask`. */
  bits(word: string, mask: number): string;
  /** Reads one bit for each code from the bits that begin at byte `at`; the first code is element `l` of the block. */
  row(at: string): string;
  /** Converts integer codes to floats. */
  floats(integers: string): string;
  /** Converts bytes, read as signed integers, to floats. */
  signed(word: string): string;
}

const one = (x: string): Reader => ({
  bytes: (at) => `${x}_byte(${at})`,
  bits: (word, mask) => `((${word}) & ${mask}u)`,
  row: (at) => `((${x}_byte(${at} + l / 8u) >> (l % 8u)) & 1u)`,
  floats: (integers) => `f32(${integers})`,
  signed: (word) => `f32(bitcast<i32>((${word}) << 24u) >> 24u)`,
});

const four = (x: string): Reader => ({
  bytes: (at) => `${x}_word(${at})`,
  bits: (word, mask) => `((vec4u(${word}) >> vec4u(0u, 8u, 16u, 24u)) & vec4u(${mask}u))`,
  row: (at) => `((vec4u(${x}_byte(${at} + l / 8u)) >> (vec4u(l % 8u) + vec4u(0u, 1u, 2u, 3u))) & vec4u(1u))`,
  floats: (integers) => `vec4f(${integers})`,
  signed: (word) => `vec4f((vec4i(bitcast<i32>(${word})) << vec4u(24u, 16u, 8u, 0u)) >> vec4u(24u))`,
});

/**
 * 4-bit codes of a 32-element block, in 16 bytes from byte `first` on: the low nibbles are elements 0 to 15, the high
 * ones 16 to 31.
 */
const nibbles = (r: Reader, first: number): string =>
  r.bits(`${r.bytes(`at + ${first}u + l % 16u`)} >> (4u * (l / 16u))`, 15);

/** 5-bit codes of a 32-element block: a fifth bit per code in four bytes from byte `bits` on, then the nibbles. */
const fiveBits = (r: Reader, bits: number): string =>
  r.floats(`${nibbles(r, bits + 4)} | (16u * ${r.row(`at + ${bits}u`)})`);

/**
 * Reads 4-bit codes of group `g` (32 elements) of a 256-element block. The codes begin at byte `first`. Groups 0 and 1
 * share the first 32 bytes (as low and high nibbles), groups 2 and 3 the next 32 bytes. Later pairs follow in order.
 */
const groupNibbles = (r: Reader, first: number): string =>
  r.bits(`${r.bytes(`at + ${first}u + 32u * (g / 2u) + l % 32u`)} >> (4u * (g % 2u))`, 15);

/**
 * WGSL that returns an element of a block of the formats q4_k and q5_k: d * s * code - dmin * m. Its group of 32
 * elements has the scale s and the minimum m.
 */
const groups = (x: string, codes: string): string => `let g = l / 32u;
return ${x}_half(at) * f32(${x}_six(at, 0u, g)) * ${codes} - ${x}_half(at + 2u) * f32(${x}_six(at, 4u, g));`;

/**
 * For each format, the body of a WGSL function that returns elements of the block at byte `at`, from its element `l`
 * on.
 */
const bodies: Readonly<Record<BlockFormat["dtype"], (r: Reader, x: string) => string>> = {
  q4_0: (r, x) => `return ${x}_half(at) * (${r.floats(nibbles(r, 2))} - 8.0);`,
  q4_1: (r, x) => `return ${x}_half(at) * ${r.floats(nibbles(r, 4))} + ${x}_half(at + 2u);`,
  q8_0: (r, x) => `return ${x}_half(at) * ${r.signed(r.bytes("at + 2u + l"))};`,
  q5_0: (r, x) => `return ${x}_half(at) * (${fiveBits(r, 2)} - 16.0);`,
  q5_1: (r, x) => `return ${x}_half(at) * ${fiveBits(r, 4)} + ${x}_half(at + 2u);`,
  q4_k: (r, x) => groups(x, r.floats(groupNibbles(r, 16))),
  q5_k: (r, x) => {
    const fifths = r.bits(`${r.bytes("at + 16u + l % 32u")} >> g`, 1);
    return groups(x, r.floats(`${groupNibbles(r, 48)} | (16u * ${fifths})`));
  },
  q6_k: (r, x) => `let h = l / 128u;
let j = l % 128u;
let low = ${r.bits(`${r.bytes("at + 64u * h + j % 64u")} >> (4u * (j / 64u))`, 15)};
let high = ${r.bits(`${r.bytes("at + 128u + 32u * h + j % 32u")} >> (2u * (j / 32u))`, 3)};
let s = f32(bitcast<i32>(${x}_byte(at + 192u + l / 16u) << 24u) >> 24u);
return (${x}_half(at + 208u) * s) * (${r.floats("low | (16u * high)")} - 32.0);`,
};

/** WGSL functions that read the f16 at an even byte offset `at`, and the byte at `at`. */
const helpersOf = (x: string): string => `
fn ${x}_half(at: u32) -> f32 { return f16ToF32((${x}[at >> 2u] >> (8u * (at & 2u))) & 65535u); }
fn ${x}_byte(at: u32) -> u32 { return (${x}[at >> 2u] >> (8u * (at & 3u))) & 255u; }
`;

/** WGSL function that reads the four bytes from an even byte offset `at` on as one word. */
const wordOf = (x: string): string => `fn ${x}_word(at: u32) -> u32 {
  let word = ${x}[at >> 2u];
  if ((at & 2u) == 0u) { return word; }
  return (word >> 16u) | (${x}[(at >> 2u) + 1u] << 16u);
}
`;

/**
 * WGSL function that reads a 6-bit value of group `g` of a q4_k or q5_k block: the scale if `part` is 0, the minimum if
 * it is 4. The values are packed in 12 bytes after two f16.
 */
const sixOf = (x: string): string => `fn ${x}_six(at: u32, part: u32, g: u32) -> u32 {
  let own = ${x}_byte(at + 4u + part + (g & 3u));
  if (g < 4u) { return own & 63u; }
  return ((${x}_byte(at + 12u + (g & 3u)) >> part) & 15u) | ((own >> 2u) & 48u);
}
`;

/** Returns the WGSL that reads elements of a weight in this block format. */
export function blockCode({ dtype, block }: BlockFormat, x: string): PackedCode {
  const { elements, bytes } = block;
  const body = (reader: Reader): string => `let at = (i / ${elements}u) * ${bytes}u;
let l = i % ${elements}u;
${bodies[dtype](reader, x)}`;
  const helpers = `${helpersOf(x)}${elements === 256 ? sixOf(x) : ""}`;
  return { helpers, one: ["", body(one(x))], four: [wordOf(x), body(four(x))] };
}
