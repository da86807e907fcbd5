import { bytesOf } from "../internal/bytesOf.ts";

/** Bytes that can be read in part: a file, a blob, a buffer. */
export interface ByteSource {
  /** Number of bytes. */
  readonly size: number;
  /** Bytes `offset` to `offset + length`. They may share memory with the source: read them only. */
  read(offset: number, length: number): Promise<Uint8Array>;
  /** Fills `room` with the bytes from `offset` on. Absent where `read` is as good. */
  readInto?(offset: number, room: Uint8Array): Promise<void>;
}

/** A source over bytes in memory; reads are views of them. */
export function bytesSource(source: ArrayBuffer | ArrayBufferView): ByteSource {
  const bytes = bytesOf("bytesSource", source);
  return {
    size: bytes.length,
    read: async (offset, length) => bytes.subarray(offset, offset + length),
  };
}

/** A source over a Blob or File, for example one that the user picked. */
export function blobSource(blob: Blob): ByteSource {
  return {
    size: blob.size,
    read: async (offset, length) => new Uint8Array(await blob.slice(offset, offset + length).arrayBuffer()),
  };
}

/** Returns a source as it is, and one over a Blob, a File or bytes in memory. */
export function byteSource(source: ByteSource | Blob | ArrayBuffer | ArrayBufferView): ByteSource {
  if (typeof (source as ByteSource | null)?.read === "function") return source as ByteSource;
  return source instanceof Blob ? blobSource(source) : bytesSource(source as ArrayBuffer);
}
