import type { ByteSource } from "@lowrank/core";

/** Returns a source of `size` bytes from a function that fills a given array. */
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
