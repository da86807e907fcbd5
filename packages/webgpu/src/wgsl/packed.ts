import { type BlockFormat, type DType, type FourBitFormat, formatOf, isPacked } from "@lowrank/core/backend";
import { dynamicMap } from "@lowrank/core/functions";

/** WGSL that reads elements of a packed weight, whose binding of words is `x`. Requires `halfCode`. */
export interface PackedCode {
  readonly helpers: string;
  /** Additional helpers, and the body of a function that returns element `i`. */
  readonly one: readonly [helpers: string, body: string];
  /** The same for the elements `i` to `i + 3`, where `i` is a multiple of four. */
  readonly four: readonly [helpers: string, body: string];
}

/** Returns an f32 as a WGSL literal, exact to the bit. */
export function floatText(value: number): string {
  const text = String(Math.fround(value));
  return `${/[.e]/.test(text) ? text : `${text}.0`}f`;
}

/** Returns the WGSL of a block format; a separate module implements it, which `prepare` loads. */
type BlockCode = (format: BlockFormat, x: string) => PackedCode;

let blockCode: BlockCode | undefined;

/** Registers the WGSL of block formats. */
export function registerBlockFormats(code: BlockCode): void {
  blockCode = code;
}

/** WGSL: the scale of a block with plain scales. */
const plainScale = (x: string): string => `return bitcast<f32>(${x}[(${x}[1] >> 2u) + block]);`;

/** WGSL: the scale of a block with nested scales. */
const nestedScale = (x: string): string => `let at = ${x}[1] + block;
  let second = bitcast<f32>(${x}[(${x}[2] >> 2u) + (block >> 8u)]);
  return ${x}_nested((${x}[at >> 2u] >> (8u * (at & 3u))) & 255u) * second + bitcast<f32>(${x}[3]);`;

/** bitsandbytes' dynamic map from 0 up; its negative values are the same with the sign changed. */
const nestedSizes = dynamicMap().subarray(127);

/** WGSL: the value of a nested scale's 8-bit code, exact to the bit. */
const nestedCode = (x: string): string => `
const ${x}_sizes = array<f32, 129>(${Array.from(nestedSizes, floatText).join(", ")});
fn ${x}_nested(code: u32) -> f32 {
  if (code < 127u) { return -${x}_sizes[127u - code]; }
  return ${x}_sizes[code - 127u];
}`;

/**
 * WGSL that returns the scale of element i. If `nested` is undefined, it reads from the header whether scales are
 * nested.
 */
function scaleCode(x: string, nested: boolean | undefined): string {
  const body = { true: nestedScale(x), false: plainScale(x) };
  const told = `if (${x}[2] == 0u) { ${plainScale(x)} }\n  ${nestedScale(x)}`;
  return `${nested === false ? "" : nestedCode(x)}
fn ${x}_scale(i: u32) -> f32 {
  let block = i >> firstTrailingBit(${x}[0]);
  ${nested === undefined ? told : body[`${nested}`]}
}`;
}

/** Properties by which the code of a packed weight varies. */
interface PackedFacts {
  /** True to keep the values of the codes in workgroup memory, which `shareTable` fills. */
  readonly shared?: boolean;
  /** True if scales are nested. Default: the kernel reads it from the header, which is slow on a CPU device. */
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

/** WGSL for the start of `main` that fills a shared table of codes; all threads run it. */
export const shareTable = (x: string): string =>
  `if (lane < 16u) { ${x}_codes[lane] = ${x}_table[lane]; }\nworkgroupBarrier();`;

/** Returns the values of a packed dtype's codes, or undefined if its codes are integers. */
export function codebookOf(dtype: DType): FourBitFormat["codebook"] | undefined {
  if (!isPacked(dtype)) return undefined;
  const format = formatOf(dtype);
  return "codebook" in format ? (format as FourBitFormat).codebook : undefined;
}

function packedCode(dtype: DType, x: string, facts: PackedFacts): PackedCode {
  const format = formatOf(dtype as Parameters<typeof formatOf>[0]);
  if (!("block" in format)) return fourBitCode(format as FourBitFormat, x, facts);
  if (!blockCode) throw new Error(`webgpu: call \`await backend.prepare("${dtype}")\` before`);
  return blockCode(format as BlockFormat, x);
}

/** WGSL of `load_x(i: u32) -> f32`, which returns an element of a packed weight. */
export function packedLoad(dtype: DType, x: string, facts: PackedFacts = {}): string {
  const { helpers, one } = packedCode(dtype, x, facts);
  return `${helpers}\n${one[0]}fn load_${x}(i: u32) -> f32 {\n${one[1]}\n}`;
}

/** WGSL of `four_x(i: u32) -> vec4f`: elements i to i + 3, where i is a multiple of four. */
export function packedFours(dtype: DType, x: string, facts: PackedFacts): string {
  const { helpers, four } = packedCode(dtype, x, facts);
  return `${helpers}\n${four[0]}fn four_${x}(i: u32) -> vec4f {\n${four[1]}\n}`;
}
