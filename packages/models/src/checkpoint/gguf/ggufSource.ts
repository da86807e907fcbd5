import { type ByteSource, byteSource } from "@lowrank/core";
import { type OpenOptions, openFile } from "@lowrank/files";

/** Opens a GGUF file from a path, an address, a Blob or bytes. The returned `label` names it in error messages. */
export async function ggufSource(
  source: string | URL | Blob | ArrayBuffer | ArrayBufferView,
  options: OpenOptions,
): Promise<{ source: ByteSource; label: string }> {
  if (typeof source === "string" || source instanceof URL) {
    return { source: await openFile(source, options), label: String(source) };
  }
  return { source: byteSource(source), label: source instanceof File ? source.name : "the GGUF file" };
}
