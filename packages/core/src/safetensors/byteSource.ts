import { bytesOf } from "../internal/bytesOf.ts";

/** Something whose bytes can be read in parts: a file, a Blob or a buffer. */
export interface ByteSource {
  /** Number of bytes. */
  readonly size: number;
  /**
   * Reads the bytes from `offset` to `offset + length`. The result may share memory with the source, so do not change
   * it.
   */
  read(offset: number, length: number): Promise<Uint8Array>;
  /** Fills `room` with the bytes from `offset` on. Undefined if the source cannot do that faster than `read`. */
  readInto?(offset: number, room: Uint8Array): Promise<void>;
}

/** Returns a source that reads from bytes in memory, without copying them. */
export function bytesSource(source: ArrayBuffer | ArrayBufferView): ByteSource {
  const bytes = bytesOf("bytesSource", source);
  return {
    size: bytes.length,
    read: async (offset, length) => bytes.subarray(offset, offset + length),
  };
}

/** Returns a source that reads from a Blob or File, for example a file that the user selected. */
export function blobSource(blob: Blob): ByteSource {
  return {
    size: blob.size,
    read: async (offset, length) => new Uint8Array(await blob.slice(offset, offset + length).arrayBuffer()),
  };
}

/** Returns a source for a Blob, a File or bytes in memory. Returns a source unchanged. */
export function byteSource(source: ByteSource | Blob | ArrayBuffer | ArrayBufferView): ByteSource {
  if (typeof (source as ByteSource | null)?.read === "function") return source as ByteSource;
  return source instanceof Blob ? blobSource(source) : bytesSource(source as ArrayBuffer);
}
