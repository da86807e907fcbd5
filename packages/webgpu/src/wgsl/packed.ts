import { type BlockFormat, type DType, type FourBitFormat, formatOf, isPacked } from "@lowrank/core/backend";
import { dynamicMap } from "@lowrank/core/functions";

/** WGSL that reads elements of a packed weight, whose binding of words is `x`. Needs `halfCode`. */
interface PackedCode {
  readonly helpers: string;
  /** More helpers, and the body of a function that returns element `i`. */
  readonly one: readonly [helpers: string, body: string];
  /** The same for the elements `i` to `i + 3`, where `i` is a multiple of four. */
  readonly four: readonly [helpers: string, body: string];
}

/** An f32 as WGSL reads it, to the bit. */
export function floatText(value: number): string {
  const text = String(Math.fround(value));
  return `${/[.e]/.test(text) ? text : `${text}.0`}f`;
}

/** The numbers that codes of GGUF's formats stand for, in WGSL; their block begins at `at`. */
const meanings: Readonly<Record<string, (x: string) => string>> = {
  q4_0: (x) => `${x}_half(at) * (codes - 8.0)`,
  q4_1: (x) => `${x}_half(at) * codes + ${x}_half(at + 2u)`,
  q8_0: (x) => `${x}_half(at) * codes`,
};

/** WGSL that reads codes of as many bits at the place `l` of a block; `first` is its first code. */
const integers = {
  4: (x: string, first: string, elements: number) => {
    const [place, shift] = [`${first} + l % ${elements / 2}u`, `select(0u, 4u, l >= ${elements / 2}u)`];
    return {
      one: `let codes = f32((${x}_byte(${place}) >> ${shift}) & 15u);`,
      four: `let q = ${x}_word(${place}) >> ${shift};
let codes = vec4f(vec4u(q & 15u, (q >> 8u) & 15u, (q >> 16u) & 15u, (q >> 24u) & 15u));`,
    };
  },
  8: (x: string, first: string) => ({
    one: `let codes = f32(bitcast<i32>(${x}_byte(${first} + l) << 24u) >> 24u);`,
    four: `let q = bitcast<i32>(${x}_word(${first} + l));
let codes = vec4f(vec4i(q << 24u, q << 16u, q << 8u, q) >> vec4u(24u));`,
  }),
};

/** WGSL: the f16 whose bytes begin at `at`, an even place. */
const halfOf = (x: string): string => `
fn ${x}_half(at: u32) -> f32 { return f16ToF32((${x}[at >> 2u] >> (8u * (at & 2u))) & 65535u); }
`;

/** WGSL: the byte at `at`. */
const byteOf = (x: string): string =>
  `fn ${x}_byte(at: u32) -> u32 { return (${x}[at >> 2u] >> (8u * (at & 3u))) & 255u; }\n`;

/** WGSL: the word whose bytes begin at `at`, an even place. */
const wordOf = (x: string): string => `fn ${x}_word(at: u32) -> u32 {
  let word = ${x}[at >> 2u];
  if ((at & 2u) == 0u) { return word; }
  return (word >> 16u) | (${x}[(at >> 2u) + 1u] << 16u);
}
`;

/** Four elements never straddle blocks, so one scale serves them. */
function blockCode({ dtype, block, integerBits }: BlockFormat, x: string): PackedCode {
  const { elements, bytes } = block;
  const { one, four } = integers[integerBits](x, `at + ${bytes - (elements * integerBits) / 8}u`, elements);
  const body = (codes: string): string => `let at = (i / ${elements}u) * ${bytes}u;
let l = i % ${elements}u;
${codes}
return ${meanings[dtype](x)};`;
  return { helpers: halfOf(x), one: [byteOf(x), body(one)], four: [wordOf(x), body(four)] };
}

/** WGSL: the scale of a block where scales are not nested. */
const plainScale = (x: string): string => `return bitcast<f32>(${x}[(${x}[1] >> 2u) + block]);`;

/** WGSL: the scale of a block where scales are nested. */
const nestedScale = (x: string): string => `let at = ${x}[1] + block;
  let second = bitcast<f32>(${x}[(${x}[2] >> 2u) + (block >> 8u)]);
  return ${x}_nested((${x}[at >> 2u] >> (8u * (at & 3u))) & 255u) * second + bitcast<f32>(${x}[3]);`;

/** bitsandbytes' dynamic map from its 0 on; the numbers below are these, negative. */
const nestedSizes = dynamicMap().subarray(127);

/** WGSL: the number of a nested scale's 8-bit code, to the bit. */
const nestedCode = (x: string): string => `
const ${x}_sizes = array<f32, 129>(${Array.from(nestedSizes, floatText).join(", ")});
fn ${x}_nested(code: u32) -> f32 {
  if (code < 127u) { return -${x}_sizes[127u - code]; }
  return ${x}_sizes[code - 127u];
}`;

/** WGSL with the scale of element i. The header tells of scales whether they are nested. */
function scaleCode(x: string, nested: boolean | undefined): string {
  const body = { true: nestedScale(x), false: plainScale(x) };
  const told = `if (${x}[2] == 0u) { ${plainScale(x)} }\n  ${nestedScale(x)}`;
  return `${nested === false ? "" : nestedCode(x)}
fn ${x}_scale(i: u32) -> f32 {
  let block = i >> firstTrailingBit(${x}[0]);
  ${nested === undefined ? told : body[`${nested}`]}
}`;
}

/** Facts by which the code of a packed weight differs. */
interface PackedFacts {
  /** Keeps the codes' numbers in workgroup memory, which `shareTable` fills. */
  readonly shared?: boolean;
  /** True if scales are nested. Default: the kernel looks, which costs a processor much time. */
  readonly nested?: boolean;
}

function fourBitCode({ codebook: { values } }: FourBitFormat, x: string, facts: PackedFacts): PackedCode {
  const { shared = false, nested } = facts;
  const table = `const ${x}_table = array<f32, 16>(${Array.from(values, floatText).join(", ")});`;
  const codes = shared ? `${x}_codes` : `${x}_table`;
  const places = ["(q >> 4u)", "q", "(q >> 12u)", "(q >> 8u)"];
  return {
    helpers: `${table}\n${shared ? `var<workgroup> ${codes}: array<f32, 16>;` : ""}${scaleCode(x, nested)}`,
    one: [
      "",
      `let q = ${x}[16u + (i >> 3u)] >> (8u * ((i >> 1u) & 3u) + 4u * (1u - (i & 1u)));
return ${x}_scale(i) * ${codes}[q & 15u];`,
    ],
    four: [
      "",
      `let q = ${x}[16u + (i >> 3u)] >> (16u * ((i >> 2u) & 1u));
return ${x}_scale(i) * vec4f(${places.map((q) => `${codes}[${q} & 15u]`).join(", ")});`,
    ],
  };
}

/** WGSL at the begin of `main` that fills a shared table of codes; all threads run it. */
export const shareTable = (x: string): string =>
  `if (lane < 16u) { ${x}_codes[lane] = ${x}_table[lane]; }\nworkgroupBarrier();`;

/** Returns the numbers that the codes of a packed dtype look up; none where codes are integers. */
export function codebookOf(dtype: DType): FourBitFormat["codebook"] | undefined {
  if (!isPacked(dtype)) return undefined;
  const format = formatOf(dtype);
  return "codebook" in format ? (format as FourBitFormat).codebook : undefined;
}

function packedCode(dtype: DType, x: string, facts: PackedFacts): PackedCode {
  const format = formatOf(dtype as Parameters<typeof formatOf>[0]);
  return "block" in format ? blockCode(format as BlockFormat, x) : fourBitCode(format as FourBitFormat, x, facts);
}

/** WGSL with `load_x(i: u32) -> f32`, which gives an element of a packed weight. */
export function packedLoad(dtype: DType, x: string, facts: PackedFacts = {}): string {
  const { helpers, one } = packedCode(dtype, x, facts);
  return `${helpers}\n${one[0]}fn load_${x}(i: u32) -> f32 {\n${one[1]}\n}`;
}

/** WGSL with `four_x(i: u32) -> vec4f`: elements i to i + 3, where i is a multiple of four. */
export function packedFours(dtype: DType, x: string, facts: PackedFacts): string {
  const { helpers, four } = packedCode(dtype, x, facts);
  return `${helpers}\n${four[0]}fn four_${x}(i: u32) -> vec4f {\n${four[1]}\n}`;
}
