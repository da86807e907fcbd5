import { type Backend, currentBackend } from "../backends/backend.ts";
import type { Packing } from "../backends/packedFormat.ts";
import type { Tensor } from "../engine/tensor.ts";
import { checkOptions } from "../internal/checkOptions.ts";
import type { DType, QuantType } from "../layout/dtype.ts";
import { type Shape, sizeOf } from "../layout/shape.ts";
import { dynamicMap } from "../packed/blockwise/eightBit.ts";
import { fp4, nf4, partsOf } from "../packed/blockwise/fourBit.ts";
import { fourBitLayout, readOffset, writeHeader } from "../packed/blockwise/fourBitLayout.ts";
import type { SafetensorsTensor } from "../safetensors/writeSafetensors.ts";
import { packedTensor } from "./packedTensor.ts";
import { type QuantState, QuantStateError, readQuantState, type WideDType, writeQuantState } from "./quantState.ts";

const statePrefix = "quant_state.bitsandbytes__";
const formats = { nf4, fp4 };
const isQuantType = (dtype: DType): dtype is QuantType => dtype in formats;
const stateKeys = Object.keys(formats).map((type) => statePrefix + type);
const knownKeys = ["absmax", "quant_map", "nested_absmax", "nested_quant_map", ...stateKeys];

const bytesOf = (values: Float32Array | Uint8Array): Uint8Array => {
  return new Uint8Array(values.buffer, values.byteOffset, values.byteLength);
};

/**
 * Returns an nf4 or fp4 weight as the tensors of a bitsandbytes checkpoint, whose names are `name` and `name.*`. Bytes
 * and quantisation state are as bitsandbytes writes them (QuantState.as_dict(packed=True)). `dtype` is the weight's
 * dtype before quantisation, to which Python code dequantises it; default f32.
 */
export async function toBitsandbytes(
  weight: Tensor,
  name: string,
  options: { dtype?: WideDType } = {},
): Promise<SafetensorsTensor[]> {
  checkOptions("toBitsandbytes", options, { dtype: true });
  const { dtype = "f32" } = options;
  const { shape, size, packing, dtype: quantType } = weight;
  if (!isQuantType(quantType)) {
    throw new Error(`toBitsandbytes: "${name}" is ${quantType}; only nf4 and fp4 tensors are bitsandbytes weights`);
  }
  const { blockSize, nested } = packing as Packing;
  const bytes = await weight.bytes();
  const { codes, absmax, nestedAbsmax } = partsOf(bytes, size, packing as Packing);
  const entry = (key: string, kind: "f32" | "u8", values: Float32Array | Uint8Array, as: Shape = [values.length]) => {
    return { name: key ? `${name}.${key}` : name, dtype: kind, shape: as, bytes: bytesOf(values) };
  };
  const state = { quantType, blockSize, dtype, shape, ...(nested && { offset: readOffset(bytes) }) };
  return [
    entry("", "u8", codes, [codes.length, 1]),
    entry("absmax", nested ? "u8" : "f32", absmax),
    entry("quant_map", "f32", formats[quantType].codebook.values),
    ...(nested ? [entry("nested_absmax", "f32", nestedAbsmax), entry("nested_quant_map", "f32", dynamicMap())] : []),
    entry(statePrefix + quantType, "u8", writeQuantState(state)),
  ];
}

/** A weight from a bitsandbytes checkpoint, and its dtype before quantisation. */
export interface BitsandbytesWeight {
  readonly weight: Tensor;
  readonly dtype: WideDType;
}

/**
 * The checkpoint tensors that belong to one weight. For a weight named `w`, the tensor `w.absmax` has the key "absmax".
 * The tensor `w`, which holds the codes, has the key "".
 */
class Entries {
  readonly #name: string;
  readonly #found = new Map<string, SafetensorsTensor>();

  constructor(entries: Iterable<SafetensorsTensor>, name: string) {
    this.#name = name;
    for (const entry of entries) {
      if (entry.name === name) this.#found.set("", entry);
      else if (entry.name.startsWith(`${name}.`)) this.#found.set(entry.name.slice(name.length + 1), entry);
    }
    const unknown = [...this.#found.keys()].find((key) => key && !knownKeys.includes(key));
    if (unknown !== undefined) {
      throw this.error(unknown, `is not known; a quantised weight has ${knownKeys.join(", ")} beside it`);
    }
  }

  has(key: string): boolean {
    return this.#found.has(key);
  }

  error(key: string, problem: string): QuantStateError {
    return new QuantStateError(`${key ? `${this.#name}.${key}` : this.#name} ${problem}`);
  }

  /** Returns the bytes of a tensor. Throws if it is missing, or has another dtype or length. */
  bytes(key: string, length?: number, dtype?: "f32" | "u8"): Uint8Array {
    const entry = this.#found.get(key);
    if (!entry) throw this.error(key, "is missing; the checkpoint is damaged, or no bitsandbytes one");
    if (dtype && entry.dtype.toLowerCase() !== dtype) throw this.error(key, `is ${entry.dtype}; it must be ${dtype}`);
    if (length !== undefined && entry.bytes.length !== length) {
      throw this.error(key, `has ${entry.bytes.length} bytes; its state asks for ${length}`);
    }
    return entry.bytes;
  }

  floats(key: string, count: number): Float32Array {
    return new Float32Array(this.bytes(key, 4 * count, "f32").slice().buffer);
  }

  /** Returns the bytes of `count` scales. Throws unless all are finite and not negative. */
  scales(key: string, count: number): Uint8Array {
    const values = this.floats(key, count);
    const bad = values.findIndex((v) => !(v >= 0 && v < Infinity));
    if (bad >= 0) throw this.error(key, `holds ${values[bad]} at ${bad}; scales are finite and not negative`);
    return bytesOf(values);
  }

  /**
   * Throws unless a stored code table equals `wanted`, up to 1e-6: tables that were computed on other processors can
   * differ in the last bit.
   */
  checkMap(key: string, wanted: Float32Array): void {
    const map = this.floats(key, wanted.length);
    const bad = map.findIndex((v, i) => !(Math.abs(v - wanted[i]) <= 1e-6));
    if (bad >= 0) throw this.error(key, `says that code ${bad} means ${map[bad]}, not ${wanted[bad]}`);
  }
}

function readState(entries: Entries): QuantState {
  const keys = stateKeys.filter((key) => entries.has(key));
  if (keys.length !== 1) {
    const found = keys.length === 0 ? "is missing" : "is there twice";
    throw entries.error(stateKeys.join(" or "), `${found}; a bitsandbytes weight has exactly one`);
  }
  const [key] = keys;
  const state = readQuantState(entries.bytes(key), entries.error(key, "").message.trimEnd());
  if (key === statePrefix + state.quantType) return state;
  throw entries.error(key, `says that quant_type is ${state.quantType}`);
}

/**
 * Returns the packed weight that the tensors `name` and `name.*` describe; other tensors are ignored. Throws
 * `QuantStateError`, which names the tensor, if one is missing, unknown, of a wrong size or not finite, or if the code
 * table differs from bitsandbytes' table.
 */
export function fromBitsandbytes(
  all: Iterable<SafetensorsTensor>,
  name: string,
  backend: Backend = currentBackend(),
): BitsandbytesWeight {
  const entries = new Entries(all, name);
  const { quantType, blockSize, dtype, shape, offset } = readState(entries);
  const packing = { blockSize, nested: offset !== undefined };
  const size = sizeOf(shape);
  const { byteLength, codes, codeBytes, absmax, blocks, nested, nestedBlocks } = fourBitLayout(size, packing);
  // Read before the allocation, because a wrong shape might request any amount of memory.
  const stored = entries.bytes("", codeBytes);
  const bytes = new Uint8Array(byteLength);
  writeHeader(bytes, size, packing, offset ?? 0);
  bytes.set(stored, codes);
  entries.checkMap("quant_map", formats[quantType].codebook.values);
  if (packing.nested) {
    bytes.set(entries.bytes("absmax", blocks, "u8"), absmax);
    bytes.set(entries.scales("nested_absmax", nestedBlocks), nested);
    entries.checkMap("nested_quant_map", dynamicMap());
  } else {
    bytes.set(entries.scales("absmax", blocks), absmax);
    const stray = ["nested_absmax", "nested_quant_map"].find((key) => entries.has(key));
    if (stray) throw entries.error(stray, "is present, but the state has no nested scales");
  }
  return { weight: packedTensor(bytes, { shape, dtype: quantType, packing, backend }), dtype };
}
