import type { BlockDType, BlockFormat } from "@lowrank/core";

/** A tensor type of ggml that can be read. */
export interface GgmlType {
  /** Its number in a GGUF file. */
  readonly id: number;
  readonly name: string;
  readonly block: Pick<BlockFormat["block"], "elements" | "bytes">;
  /** Widens whole blocks to f32, into `out` from its start. */
  decode(blocks: Uint8Array, out: Float32Array): void;
  /**
   * Returns the blocks of whole rows; absent where the type is only read. `what`
   * names the tensor in errors.
   */
  encode?(values: Float32Array, what: string): Uint8Array<ArrayBuffer>;
  /** The dtype of tensors that hold the blocks as they lie; absent where they are widened. */
  readonly packed?: BlockDType;
}

/** A tensor type that can be written too. */
export type WritableGgmlType = GgmlType & Required<Pick<GgmlType, "encode">>;

/** Makes a type that is only read; `unpack` widens the block at `at` into `out` from `to` on. */
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

/** Returns the type of a packed dtype: its blocks are those of the file. */
export function packedType({ dtype, block, gguf, pack, unpack }: BlockFormat): WritableGgmlType {
  return { id: gguf.type, name: dtype.toUpperCase(), block, decode: unpack, encode: pack, packed: dtype };
}
