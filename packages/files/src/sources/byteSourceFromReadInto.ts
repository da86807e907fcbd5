import type { ByteSource } from "@lowrank/core";

/** Returns a source of `size` bytes. `readInto` fills a given array with the bytes from an offset on. */
export function byteSourceFromReadInto(size: number, readInto: NonNullable<ByteSource["readInto"]>): ByteSource {
  return {
    size,
    readInto,
    read: async (offset, length) => {
      const room = new Uint8Array(length);
      await readInto(offset, room);
      return room;
    },
  };
}
