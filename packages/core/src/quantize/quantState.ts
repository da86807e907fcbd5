import { pythonFloat } from "../internal/pythonFloat.ts";
import type { QuantType } from "../layout/dtype.ts";
import type { Shape } from "../layout/shape.ts";
import { quoteJson } from "../safetensors/safetensorsError.ts";

/** Thrown if a quantised weight of a bitsandbytes checkpoint is damaged or not supported. */
export class QuantStateError extends Error {
  override name = "QuantStateError";
}

/** The dtypes that a weight can have before quantisation and after dequantisation. */
export type WideDType = "f32" | "f16" | "bf16";

/** Metadata of a quantised weight in a bitsandbytes checkpoint. */
export interface QuantState {
  readonly quantType: QuantType;
  readonly blockSize: number;
  /** The dtype of the weight before quantisation. */
  readonly dtype: WideDType;
  readonly shape: Shape;
  /**
   * The mean that was subtracted from the scales before they were quantised; undefined if the scales are not nested.
   */
  readonly offset?: number;
}

const torchNames: Readonly<Record<WideDType, string>> = { f32: "float32", f16: "float16", bf16: "bfloat16" };

/** Returns the state as JSON in UTF-8, which bitsandbytes stores as a u8 tensor. */
export function writeQuantState({ quantType, blockSize, dtype, shape, offset }: QuantState): Uint8Array {
  const fields = [
    `"quant_type": "${quantType}"`,
    `"blocksize": ${blockSize}`,
    `"dtype": "${torchNames[dtype]}"`,
    `"shape": [${shape.join(", ")}]`,
  ];
  if (offset !== undefined) {
    fields.push(`"nested_blocksize": 256`, `"nested_dtype": "float32"`, `"nested_offset": ${pythonFloat(offset)}`);
  }
  return new TextEncoder().encode(`{${fields.join(", ")}}`);
}

const nestedKeys = ["nested_blocksize", "nested_dtype", "nested_offset"];
const known = ["quant_type", "blocksize", "dtype", "shape", ...nestedKeys];

/**
 * Parses the state from the bytes of a tensor that holds it as JSON in UTF-8. `what` names the tensor in errors. Throws
 * `QuantStateError` for a field that is missing, unknown or invalid.
 */
export function readQuantState(bytes: Uint8Array, what: string): QuantState {
  const json = parseObject(bytes, what);
  const field = <T>(key: string, wanted: string, test: (value: unknown) => value is T): T => {
    const value = json[key];
    if (test(value)) return value;
    throw new QuantStateError(`${what}: ${key} is ${quoteJson(value)}; it must be ${wanted}`);
  };
  const unknown = Object.keys(json).find((key) => !known.includes(key));
  if (unknown !== undefined) throw new QuantStateError(`${what}: the key ${JSON.stringify(unknown)} is not known`);
  const one =
    <T>(...values: T[]) =>
    (v: unknown): v is T =>
      values.includes(v as T);
  const size = (v: unknown): v is number => Number.isSafeInteger(v) && (v as number) > 0;
  const dtypes = Object.keys(torchNames) as WideDType[];
  const torchName = field("dtype", "float32, float16 or bfloat16", one(...Object.values(torchNames)));
  const state = {
    quantType: field("quant_type", "nf4 or fp4", one<QuantType>("nf4", "fp4")),
    blockSize: field("blocksize", "a power of two from 32 to 4096", one(32, 64, 128, 256, 512, 1024, 2048, 4096)),
    dtype: dtypes.find((dtype) => torchNames[dtype] === torchName) as WideDType,
    shape: field("shape", "an array of sizes", (v): v is number[] => Array.isArray(v) && v.every(size)),
  };
  if (!nestedKeys.some((key) => Object.hasOwn(json, key))) return state;
  field("nested_blocksize", "256", one(256));
  field("nested_dtype", "float32", one("float32"));
  const isFloat = (v: unknown): v is number => typeof v === "number" && Number.isFinite(Math.fround(v));
  return { ...state, offset: field("nested_offset", "a finite number", isFloat) };
}

function parseObject(bytes: Uint8Array, what: string): Record<string, unknown> {
  let value: unknown;
  try {
    value = JSON.parse(new TextDecoder("utf-8", { fatal: true }).decode(bytes));
  } catch (cause) {
    throw new QuantStateError(`${what} is not JSON in UTF-8; the checkpoint is damaged`, { cause });
  }
  if (typeof value === "object" && value !== null && !Array.isArray(value)) return value as Record<string, unknown>;
  throw new QuantStateError(`${what} is ${quoteJson(value)}, not an object`);
}
