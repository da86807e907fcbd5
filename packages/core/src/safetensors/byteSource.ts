import { bytesOf } from "../internal/bytesOf.ts";

/** Bytes that can be read in parts: a file, a blob, a buffer. */
export interface ByteSource {
  /** Number of bytes. */
  readonly size: number;
  /**
   * Reads the bytes from `offset` to `offset + length`. They may share memory with the source, so do not change them.
   */
  read(offset: number, length: number): Promise<Uint8Array>;
  /** Fills `room` with the bytes from `offset` on. Undefined if it would not be faster than `read`. */
  readInto?(offset: number, room: Uint8Array): Promise<void>;
}

/** Returns a source over bytes in memory. Reads are views of them. */
export function bytesSource(source: ArrayBuffer | ArrayBufferView): ByteSource {
  const bytes = bytesOf("bytesSource", source);
  return {
    size: bytes.length,
    read: async (offset, length) => bytes.subarray(offset, offset + length),
  };
}

/** Returns a source over a Blob or File, for example one that the user picked. */
export function blobSource(blob: Blob): ByteSource {
  return {
    size: blob.size,
    read: async (offset, length) => new Uint8Array(await blob.slice(offset, offset + length).arrayBuffer()),
  };
}

/** Returns a source unchanged, or a source over a Blob, a File or bytes in memory. */
export function byteSource(source: ByteSource | Blob | ArrayBuffer | ArrayBufferView): ByteSource {
  if (typeof (source as ByteSource | null)?.read === "function") return source as ByteSource;
  return source instanceof Blob ? blobSource(source) : bytesSource(source as ArrayBuffer);
}
