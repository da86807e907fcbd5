import { type BlockFormat, type DType, type FourBitFormat, formatOf, isPacked } from "@lowrank/core/backend";
import { dynamicMap } from "@lowrank/core/functions";

/**
 * WGSL that reads elements of a packed (quantised) weight from the binding `x`, an array of 32-bit words. Requires
 * `halfCode`.
 */
export interface PackedCode {
  readonly helpers: string;
  /** For reading one element: additional functions, and the body of a function that returns element `i`. */
  readonly one: readonly [helpers: string, body: string];
  /**
   * For reading four elements: additional functions, and the body of a function that returns elements `i` to `i + 3`;
   * `i` is a multiple of four.
   */
  readonly four: readonly [helpers: string, body: string];
}

/** Returns an f32 as a WGSL literal, exact to the bit. */
export function floatText(value: number): string {
  const text = String(Math.fround(value));
  return `${/[.e]/.test(text) ? text : `${text}.0`}f`;
}

/**
 * Returns the WGSL that reads a block format. The module with this function is separate, and the backend's `prepare`
 * loads it.
 */
type BlockCode = (format: BlockFormat, x: string) => PackedCode;

let blockCode: BlockCode | undefined;

/** Registers the function that returns the WGSL of block formats (GGUF). */
export function registerBlockFormats(code: BlockCode): void {
  blockCode = code;
}

/** WGSL that returns the scale of a block if scales are stored as f32. */
const plainScale = (x: string): string => `return bitcast<f32>(${x}[(${x}[1] >> 2u) + block]);`;

/**
 * WGSL that returns the scale of a block if scales are themselves quantised to 8 bits (nested, or double quantisation).
 */
const nestedScale = (x: string): string => `let at = ${x}[1] + block;
  let second = bitcast<f32>(${x}[(${x}[2] >> 2u) + (block >> 8u)]);
  return ${x}_nested((${x}[at >> 2u] >> (8u * (at & 3u))) & 255u) * second + bitcast<f32>(${x}[3]);`;

/**
 * The values of bitsandbytes' dynamic 8-bit map that are at least 0. Its negative values are the same with the sign
 * changed.
 */
const nestedSizes = dynamicMap().subarray(127);

/** WGSL function that returns the value of a nested scale's 8-bit code, exact to the bit. */
const nestedCode = (x: string): string => `
const ${x}_sizes = array<f32, 129>(${Array.from(nestedSizes, floatText).join(", ")});
fn ${x}_nested(code: u32) -> f32 {
  if (code < 127u) { return -${x}_sizes[127u - code]; }
  return ${x}_sizes[code - 127u];
}`;

/**
 * WGSL function that returns the scale of element i. `nested` is true if scales are quantised; if it is undefined, the
 * WGSL reads this from the weight's header.
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

/** Properties of a packed weight that select a variant of its WGSL. */
interface PackedFacts {
  /**
   * True to read the values of the codes from workgroup memory, which the code of `shareTable` fills. Default: false.
   */
  readonly shared?: boolean;
  /**
   * True if scales are quantised to 8 bits. Default: the kernel reads this from the header, which is slow on a CPU
   * device.
   */
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

/** WGSL for the start of `main` that copies the values of the 16 codes to workgroup memory. All threads must run it. */
export const shareTable = (x: string): string =>
  `if (lane < 16u) { ${x}_codes[lane] = ${x}_table[lane]; }\nworkgroupBarrier();`;

/** Returns the codebook (the value of each 4-bit code) of a packed dtype; undefined for other dtypes. */
export function codebookOf(dtype: DType): FourBitFormat["codebook"] | undefined {
  if (!isPacked(dtype)) return undefined;
  const format = formatOf(dtype);
  return "codebook" in format ? (format as FourBitFormat).codebook : undefined;
}

function packedCode(dtype: DType, x: string, facts: PackedFacts): PackedCode {
  const format = formatOf(dtype as Parameters<typeof formatOf>[0]);
  if (!("block" in format)) return fourBitCode(format as FourBitFormat, x, facts);
  if (!blockCode)
    throw new Error(`webgpu: the kernels of ${dtype} are not loaded; call \`await backend.prepare("${dtype}")\` first`);
  return blockCode(format as BlockFormat, x);
}

/** WGSL of `load_x(i: u32) -> f32`, which returns element i of the packed weight in binding `x`. */
export function packedLoad(dtype: DType, x: string, facts: PackedFacts = {}): string {
  const { helpers, one } = packedCode(dtype, x, facts);
  return `${helpers}\n${one[0]}fn load_${x}(i: u32) -> f32 {\n${one[1]}\n}`;
}

/**
 * WGSL of `four_x(i: u32) -> vec4f`, which returns elements i to i + 3 of the packed weight in binding `x`; i is a
 * multiple of four.
 */
export function packedFours(dtype: DType, x: string, facts: PackedFacts): string {
  const { helpers, four } = packedCode(dtype, x, facts);
  return `${helpers}\n${four[0]}fn four_${x}(i: u32) -> vec4f {\n${four[1]}\n}`;
}
