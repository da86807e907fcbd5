import { type ByteSource, blobSource } from "@lowrank/core";
import { type OpenOptions, openFile } from "@lowrank/files";

/** Opens a GGUF file, by its path or address or as a Blob; `label` names it in errors. */
export async function ggufSource(
  source: string | URL | Blob,
  options: OpenOptions,
): Promise<{ source: ByteSource; label: string }> {
  if (!(source instanceof Blob)) return { source: await openFile(source, options), label: String(source) };
  return { source: blobSource(source), label: source instanceof File ? source.name : "the GGUF file" };
}
