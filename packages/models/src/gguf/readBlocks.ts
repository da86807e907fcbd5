import type { ByteSource } from "@lowrank/core";
import type { GgufTensorInfo } from "./readGguf.ts";

/** The blocks of one tensor as they lie in the file. Throws where the file has become shorter. */
export async function readBlocks(source: ByteSource, info: GgufTensorInfo, label: string): Promise<Uint8Array> {
  const bytes = await source.read(info.offset, info.byteLength);
  if (bytes.length === info.byteLength) return bytes;
  throw new Error(
    `${label}: reading ${info.byteLength} bytes of "${info.name}" gave ${bytes.length}; the file changed or is cut off`,
  );
}
