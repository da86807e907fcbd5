import { currentBackend, f32ToBf16, f32ToF16, fromBytes, packedTensor, type Tensor, to } from "@lowrank/core";
import { inModelOrder, transpose } from "../../gguf/headRows.ts";
import type { GgmlType } from "../../gguf/types/ggmlType.ts";
import { decodeBlocks } from "../../gguf/types/ggmlTypes.ts";
import type { GgufFile } from "./openGguf.ts";
import { readBlocks } from "./readBlocks.ts";

/** Options of `readGgufTensor`. */
export interface ReadGgufTensorOptions {
  /** The dtype in memory. "auto" keeps F16 and BF16 and converts all other types to f32. Default f32. */
  dtype?: "f32" | "f16" | "bf16" | "auto";
  /**
   * True to keep blocks quantised in memory, as a tensor [out, in], if their type has a packed dtype. Default false:
   * blocks are decoded.
   */
  packed?: boolean;
  /**
   * A buffer into which blocks are read, to avoid an allocation. It must not be used elsewhere until the promise
   * settles.
   */
  room?: Uint8Array;
}

const ownDTypes: Readonly<Record<string, "f16" | "bf16">> = { F16: "f16", BF16: "bf16" };

/** Number of elements converted to half precision at a time. */
const chunk = 1 << 18;

/**
 * Reads one tensor by its Hugging Face name and converts it to Hugging Face's layout. This reverses llama.cpp's
 * permutation of query and key rows; Conv1D weights become [in, out].
 */
export async function readGgufTensor(
  file: GgufFile,
  name: string,
  options: ReadGgufTensorOptions = {},
): Promise<Tensor> {
  const place = file.tensors.get(name);
  if (!place) throw new Error(`${file.label}: there is no tensor "${name}"`);
  const { info, layout } = place;
  const { type, shape } = info;
  const stored = await readBlocks(file.source, info, file.label, options.room);
  const blocks = inModelOrder(stored, shape[0], layout);
  const { dtype = "f32" } = options;
  const wanted = dtype === "auto" ? (ownDTypes[type.name] ?? "f32") : dtype;
  if (type.packed && !layout.plus && (options.packed || !layout.transposed)) {
    await currentBackend().prepare?.(type.packed);
    const packed = packedTensor(blocks, { shape, dtype: type.packed });
    if (options.packed) return packed;
    // The backend converts the blocks, so no f32 copy exists outside the backend.
    using released = packed;
    return to(released, { dtype: wanted });
  }
  if (layout.plus) {
    const { plus } = layout;
    const values = decodeBlocks(type, blocks).map((value) => value - plus);
    return fromBytes(bytesOf(wanted === "f32" ? values : narrow(values, wanted)), layout.shape, wanted);
  }
  if (layout.transposed) {
    const values = transpose(decodeBlocks(type, blocks), shape[0], shape[1]);
    return fromBytes(bytesOf(wanted === "f32" ? values : narrow(values, wanted)), layout.shape, wanted);
  }
  return fromBytes(bytesOf(widened(type, blocks, wanted)), layout.shape, wanted);
}

/**
 * Decodes quantised blocks to `dtype`. For f16 and bf16, decodes in chunks, so that the whole tensor is never in memory
 * as f32.
 */
function widened(type: GgmlType, blocks: Uint8Array, dtype: "f32" | "f16" | "bf16"): Float32Array | Uint16Array {
  if (dtype === "f32") return decodeBlocks(type, blocks);
  const out = new Uint16Array((blocks.length / type.block.bytes) * type.block.elements);
  const step = (chunk / type.block.elements) * type.block.bytes;
  for (let at = 0, to = 0; at < blocks.length; at += step, to += chunk) {
    narrow(decodeBlocks(type, blocks.subarray(at, at + step)), dtype, out.subarray(to));
  }
  return out;
}

function narrow(values: Float32Array, dtype: "f16" | "bf16", out = new Uint16Array(values.length)): Uint16Array {
  if (dtype === "bf16") f32ToBf16(values, out);
  else f32ToF16(values, out);
  return out;
}

function bytesOf({ buffer, byteOffset, byteLength }: Float32Array | Uint16Array): Uint8Array {
  return new Uint8Array(buffer, byteOffset, byteLength);
}
