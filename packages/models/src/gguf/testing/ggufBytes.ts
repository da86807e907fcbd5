import { type GgufContents, writeGguf } from "../writeGguf.ts";

/** Returns the bytes of a whole GGUF file. */
export async function ggufBytes(contents: GgufContents): Promise<Uint8Array<ArrayBuffer>> {
  const pieces: Uint8Array<ArrayBuffer>[] = [];
  for await (const piece of writeGguf(contents)) pieces.push(piece.slice());
  return new Uint8Array(await new Blob(pieces).arrayBuffer());
}
