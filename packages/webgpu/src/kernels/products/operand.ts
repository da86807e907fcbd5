import { type DType, isPacked } from "@lowrank/core/backend";
import { loadCode, storageType } from "../../wgsl/elements.ts";
import { codebookOf, packedFours, packedLoad, shareTable } from "../../wgsl/packed.ts";

/**
 * The stored format of an operand: its dtype, or a variant that requires different WGSL (quantised scales, or f16 read
 * natively).
 */
export type Storage = DType | `${DType} nested` | "native f16";

/** An operand of a product, as it is stored. */
export interface Operand {
  /** Name of its binding. */
  readonly name: "a" | "w";
  readonly storage: Storage;
  /**
   * True if a row in memory runs along k, so that it holds the terms of one sum. False if it holds one term of many
   * sums.
   */
  readonly alongSum: boolean;
  /** True if the row length in memory is a multiple of four elements. */
  readonly fours: boolean;
}

const dtypeOf = (storage: Storage): DType => storage.replace(/ nested|native /, "") as DType;

/**
 * WGSL for the start of `main` that copies the values of a weight's 4-bit codes to workgroup memory; "" without a
 * codebook.
 */
export function loadSharedCodebook({ name, storage }: Operand): string {
  return codebookOf(dtypeOf(storage)) ? shareTable(name) : "";
}

/** Returns the WGSL declaration of an operand's binding. */
export function operandBinding({ storage, fours }: Operand): `read ${string}` {
  if (storage === "native f16") return "read vec4<f16>";
  return storage === "f32" && fours ? "read vec4f" : `read ${storageType(dtypeOf(storage))}`;
}

/** WGSL that returns elements i to i + 3 of a 16-bit weight, where i is a multiple of four. */
const halves: Readonly<Record<string, (x: string) => string>> = {
  f16: (x) => `let low = ${x}[i >> 1u]; let high = ${x}[(i >> 1u) + 1u];
return vec4f(f16ToF32(low & 65535u), f16ToF32(low >> 16u), f16ToF32(high & 65535u), f16ToF32(high >> 16u));`,
  bf16: (x) => `let low = ${x}[i >> 1u]; let high = ${x}[(i >> 1u) + 1u];
return bitcast<vec4f>(vec4u(low << 16u, low & 0xffff0000u, high << 16u, high & 0xffff0000u));`,
};

/**
 * WGSL of `four_x(i)`, which returns elements i to i + 3. `shared`: the values of 4-bit codes are in workgroup memory.
 */
function readFour({ name, storage, fours }: Operand, shared: boolean): string {
  const head = `fn four_${name}(i: u32) -> vec4f`;
  const dtype = dtypeOf(storage);
  const facts = { shared, nested: storage.endsWith(" nested") };
  if (!fours) {
    const each = [0, 1, 2, 3].map((c) => `load_${name}(i + ${c}u)`);
    const load = isPacked(dtype) ? packedLoad(dtype, name, facts) : loadCode(dtype, name);
    return `${load}\n${head} { return vec4f(${each.join(", ")}); }`;
  }
  if (isPacked(dtype)) return packedFours(dtype, name, facts);
  if (storage === "f32") return `${head} { return ${name}[i >> 2u]; }`;
  if (storage === "native f16") return `${head} { return vec4f(${name}[i >> 2u]); }`;
  return `${head} {\n${halves[dtype](name)}\n}`;
}

/**
 * WGSL of `row_x(first, at, end)`, which returns elements `at` to `at + 3` of a row of the operand. The row starts at
 * element `first` of the operand's memory and has `end` elements. Elements beyond the end are 0. If row lengths are
 * multiples of four, `at` must be one too. If `shared` is true, the values of 4-bit codes are in workgroup memory.
 */
export function operandCode(operand: Operand, shared: boolean): string {
  const { name, fours } = operand;
  const rest = fours
    ? ""
    : `if (at + 3u >= end) {
  var v = vec4f();
  if (at < end) { v.x = load_${name}(i); }
  if (at + 1u < end) { v.y = load_${name}(i + 1u); }
  if (at + 2u < end) { v.z = load_${name}(i + 2u); }
  return v;
}`;
  return `${readFour(operand, shared)}
fn row_${name}(first: u32, at: u32, end: u32) -> vec4f {
let i = first + at;
${rest}
return four_${name}(i);
}`;
}
