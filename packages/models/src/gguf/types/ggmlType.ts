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
   * The packed dtype with the same block format; undefined if there is none, so that tensors are decoded when they are
   * read.
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
