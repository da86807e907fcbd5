import type { BlockDType, BlockFormat } from "@lowrank/core";

/** A ggml tensor type, with functions that decode and encode its blocks. */
export interface GgmlType {
  /** ggml's id of the type in a GGUF file. */
  readonly id: number;
  readonly name: string;
  readonly block: Pick<BlockFormat["block"], "elements" | "bytes">;
  /** Decodes whole blocks to f32 into `out`, starting at index 0. */
  decode(blocks: Uint8Array, out: Float32Array): void;
  /**
   * Encodes whole rows to blocks; undefined if the type can only be decoded. `what` is the tensor's name in error
   * messages.
   */
  encode?(values: Float32Array, what: string): Uint8Array<ArrayBuffer>;
  /**
   * The packed dtype with the same block format. Undefined if there is none; tensors of this type are then decoded when
   * they are read.
   */
  readonly packed?: BlockDType;
}

/** A ggml tensor type that can also be written. */
export type WritableGgmlType = GgmlType & Required<Pick<GgmlType, "encode">>;

/** Makes a type that can only be decoded. `unpack` decodes the block at byte `at` to `out`, from index `to` on. */
export function readOnlyType({
  unpack,
  ...type
}: Pick<GgmlType, "id" | "name" | "block"> & {
  unpack(blocks: Uint8Array, at: number, out: Float32Array, to: number): void;
}): GgmlType {
  const { elements, bytes } = type.block;
  return {
    ...type,
    decode: (blocks, out) => {
      for (let at = 0, to = 0; at < blocks.length; at += bytes, to += elements) unpack(blocks, at, out, to);
    },
  };
}

/** Returns the ggml type of a packed dtype, which has the same block format. */
export function packedType({ dtype, block, gguf, pack, unpack }: BlockFormat): WritableGgmlType {
  return { id: gguf.type, name: dtype.toUpperCase(), block, decode: unpack, encode: pack, packed: dtype };
}

/** Names of all ggml tensor types by id, as in gguf-py, including types that cannot be read. */
export const ggmlTypeNames: Readonly<Record<number, string>> = {
  0: "F32",
  1: "F16",
  2: "Q4_0",
  3: "Q4_1",
  6: "Q5_0",
  7: "Q5_1",
  8: "Q8_0",
  9: "Q8_1",
  10: "Q2_K",
  11: "Q3_K",
  12: "Q4_K",
  13: "Q5_K",
  14: "Q6_K",
  15: "Q8_K",
  16: "IQ2_XXS",
  17: "IQ2_XS",
  18: "IQ3_XXS",
  19: "IQ1_S",
  20: "IQ4_NL",
  21: "IQ3_S",
  22: "IQ2_S",
  23: "IQ4_XS",
  24: "I8",
  25: "I16",
  26: "I32",
  27: "I64",
  28: "F64",
  29: "IQ1_M",
  30: "BF16",
  34: "TQ1_0",
  35: "TQ2_0",
  39: "MXFP4",
  40: "NVFP4",
};
