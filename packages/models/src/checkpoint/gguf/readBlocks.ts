import type { ByteSource } from "@lowrank/core";
import type { GgufTensorInfo } from "../../gguf/readGguf.ts";

/**
 * Reads the encoded blocks of one tensor without decoding them. Reads into the buffer `room` if they fit, otherwise
 * into a new buffer. Throws if the file ends early.
 */
export async function readBlocks(
  source: ByteSource,
  { name, offset, byteLength }: GgufTensorInfo,
  label: string,
  room?: Uint8Array,
): Promise<Uint8Array> {
  if (source.readInto && room && byteLength <= room.length) {
    const blocks = room.subarray(0, byteLength);
    await source.readInto(offset, blocks);
    return blocks;
  }
  const bytes = await source.read(offset, byteLength);
  if (bytes.length === byteLength) return bytes;
  throw new Error(
    `${label}: reading ${byteLength} bytes of "${name}" gave ${bytes.length}; the file changed or is cut off`,
  );
}
