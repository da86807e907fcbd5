import type { ByteSource } from "@lowrank/core";
import { byteSourceFromReadInto } from "../sources/byteSourceFromReadInto.ts";

/** Size of a block in bytes (4 MiB). A block is requested and stored as a whole. */
export const blockBytes: number = 1 << 22;

/**
 * Returns a source of `size` bytes that reads whole blocks and keeps the last one in memory. `block(index)` returns a
 * block; all but the last have `blockBytes` bytes.
 */
export function blockSource(size: number, block: (index: number) => Promise<Uint8Array>): ByteSource {
  let last: { readonly index: number; readonly bytes: Uint8Array } | undefined;

  async function blockAt(index: number): Promise<Uint8Array> {
    if (last?.index !== index) last = { index, bytes: await block(index) };
    return last.bytes;
  }

  async function readInto(offset: number, room: Uint8Array): Promise<void> {
    const end = offset + room.length;
    if (end > size) throw new Error(`bytes ${offset} to ${end} were asked for, of ${size}`);
    for (let done = 0; done < room.length; ) {
      const at = offset + done;
      const start = at % blockBytes;
      const bytes = (await blockAt((at - start) / blockBytes)).subarray(start, start + room.length - done);
      room.set(bytes, done);
      done += bytes.length;
    }
  }

  return byteSourceFromReadInto(size, readInto);
}
