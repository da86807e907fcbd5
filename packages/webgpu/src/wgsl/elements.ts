import { type DType, isPacked } from "@lowrank/core/backend";
import { entry, type Groups, type Scalar, type Shader, shader, spread } from "../kernel/shader.ts";
import { packedLoad } from "./packed.ts";
import { halfCode } from "./rounding.ts";

/** Elements as raw bits of 32, 16 or 8 bits, for ops that only move elements. */
export type RawKind = "word" | "half" | "byte";

/** An element's type in storage: a dtype, or raw bits. */
export type ElementKind = DType | RawKind;

/** Returns the raw kind with the size of a dtype's elements. */
export function rawKind(dtype: DType): RawKind {
  if (dtype === "f32" || dtype === "i32") return "word";
  return dtype === "f16" || dtype === "bf16" ? "half" : "byte";
}

/** Returns the WGSL type of an element after it is read. */
export function codeType(kind: ElementKind): Scalar {
  if (kind === "i32") return "i32";
  return ["u8", "bool", "word", "half", "byte"].includes(kind) ? "u32" : "f32";
}

/** Returns how many elements a 32-bit word of the storage holds. */
function perWord(kind: ElementKind): 1 | 2 | 4 {
  if (["f32", "i32", "word"].includes(kind)) return 1;
  return ["f16", "bf16", "half"].includes(kind) ? 2 : 4;
}

/** Returns the WGSL type of the binding's words in which elements of this kind are stored. */
export function storageType(kind: ElementKind): Scalar {
  return kind === "f32" || kind === "i32" ? kind : "u32";
}

const readF16 = (x: string): string => `((${x}[i >> 1u] >> (16u * (i & 1u))) & 65535u)`;
const byteAt = (x: string): string => `((${x}[i >> 2u] >> (8u * (i & 3u))) & 255u)`;

/** WGSL of `load_x(i: u32)`, which returns element i of the binding `x`. Requires `halfCode`. */
export function loadCode(kind: ElementKind, x: string): string {
  if (isPacked(kind as DType) && !["word", "half", "byte"].includes(kind)) {
    return packedLoad(kind as DType, x);
  }
  const loads: Partial<Record<ElementKind, string>> = {
    ...{ f16: `f16ToF32(${readF16(x)})`, bf16: `bf16ToF32(${readF16(x)})`, half: readF16(x) },
    ...{ u8: byteAt(x), bool: byteAt(x), byte: byteAt(x) },
  };
  return `fn load_${x}(i: u32) -> ${codeType(kind)} { return ${loads[kind] ?? `${x}[i]`}; }`;
}

const stored: Partial<Record<ElementKind, string>> = { f16: "f32ToF16(element(i))", bf16: "f32ToBf16(element(i))" };

/** WGSL of a kernel in which each invocation computes the elements of one 32-bit word of the result. */
export interface ElementsParts {
  readonly name: string;
  readonly inputs: Readonly<Record<string, ElementKind>>;
  readonly out: ElementKind;
  /** Uniforms in addition to `size`, the number of elements of the result. */
  readonly uniforms?: Readonly<Record<string, Scalar>>;
  readonly faults?: boolean;
  /** WGSL functions that `element` calls. */
  readonly helpers?: string;
  /**
   * Body of `fn element(i: u32)`, which returns element i of the result. It can call `load_x(j)` for element j of an
   * input `x`.
   */
  readonly element: string;
  /** True to keep the old value of element i if `keeps(i)` is true; `helpers` must define `keeps`. Default: false. */
  readonly partial?: boolean;
}

/** Number of threads in a workgroup of an `elements` kernel. */
const elementThreads = 64;

/** Returns the workgroup counts for an `elements` kernel whose result has `size` elements. */
export function elementGroups(out: ElementKind, size: number): Groups {
  return spread(size, elementThreads * perWord(out));
}

/**
 * Makes a kernel that computes one result, `out`, element by element. One invocation computes all elements of a 32-bit
 * word.
 */
export function elements(parts: ElementsParts): Shader {
  const { name, inputs, out, uniforms = {}, faults, helpers = "", element, partial = false } = parts;
  const count = perWord(out);
  const width = 32 / count;
  const mask = width === 32 ? "0xffffffffu" : `${2 ** width - 1}u`;
  const bits = stored[out] ?? (count === 1 ? "element(i)" : `(element(i) & ${mask})`);
  const at = (k: number): string => {
    const put = partial
      ? `if (!keeps(i)) { word = (word & ~(${mask} << ${k * width}u)) | (${bits} << ${k * width}u); }`
      : `word |= ${bits} << ${k * width}u;`;
    return `{ let i = ${count}u * index + ${k}u; if (i < u.size) { ${put} } }`;
  };
  const words = [0, 1, 2, 3].slice(0, count).map(at).join("\n  ");
  const single = partial ? `if (!keeps(i)) { out[i] = ${bits}; }` : `out[i] = ${bits};`;
  const body =
    count === 1
      ? `  if (index < u.size) { let i = index; ${single} }`
      : `  if (index * ${count}u >= u.size) { return; }
  var word = ${partial ? "out[index]" : "0u"};
  ${words}
  out[index] = word;`;
  return shader({
    name,
    bindings: {
      ...Object.fromEntries(Object.entries(inputs).map(([x, kind]) => [x, `read ${storageType(kind)}`] as const)),
      out: `write ${storageType(out)}`,
    },
    uniforms: { ...uniforms, size: "u32" },
    faults,
    code: `${halfCode}
${Object.entries(inputs)
  .map(([x, kind]) => loadCode(kind, x))
  .join("\n")}
${helpers}
fn element(i: u32) -> ${codeType(out)} {
${element}
}
${entry(elementThreads, body)}`,
  });
}
