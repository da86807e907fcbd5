import { type ByteSource, byteSource } from "@lowrank/core";
import { type OpenOptions, openFile } from "@lowrank/files";

/** Opens a GGUF file, by its path or address, as a Blob or as bytes; `label` names it in errors. */
export async function ggufSource(
  source: string | URL | Blob | ArrayBuffer | ArrayBufferView,
  options: OpenOptions,
): Promise<{ source: ByteSource; label: string }> {
  if (typeof source === "string" || source instanceof URL) {
    return { source: await openFile(source, options), label: String(source) };
  }
  return { source: byteSource(source), label: source instanceof File ? source.name : "the GGUF file" };
}
