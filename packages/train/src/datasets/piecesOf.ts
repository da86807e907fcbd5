import type { ByteSource } from "@lowrank/core";

/** Yields the bytes of a file in chunks of 1 MiB. */
export async function* piecesOf(source: ByteSource): AsyncGenerator<Uint8Array> {
  const length = 1 << 20;
  for (let at = 0; at < source.size; at += length) yield source.read(at, Math.min(length, source.size - at));
}
