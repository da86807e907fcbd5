import { type ModelFiles, memoryFiles, urlFiles } from "@lowrank/files";

/** The place of files as it crosses to the Worker. */
export type Place =
  | string
  | Blob
  | ReadonlyMap<string, Uint8Array | Blob | string>
  | Readonly<Record<string, Uint8Array | Blob | string>>;

/** Opens a place: an address, a path (Node only), a GGUF file, or files by name. */
export function openPlace(place: Place): ModelFiles | string | Blob {
  if (place instanceof Blob) return place;
  if (typeof place !== "string") return memoryFiles(place);
  return /^https?:/.test(place) && !new URL(place).pathname.toLowerCase().endsWith(".gguf") ? urlFiles(place) : place;
}
