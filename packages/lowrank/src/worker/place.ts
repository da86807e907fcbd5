import {
  type DirectoryHandle,
  directoryFiles,
  type ModelFiles,
  memoryFiles,
  opfsFiles,
  urlFiles,
  type WritableFiles,
} from "@lowrank/files";

/**
 * Folder for files, in the form that is sent to the Worker: a folder in the browser's storage (OPFS), the handle of a
 * folder that the user picked, or a path (Node only).
 */
export type StoragePlace = { readonly opfs: string } | DirectoryHandle | string;

/** Source of files, in the form that is sent to the Worker. */
export type Place =
  | StoragePlace
  | Blob
  | ReadonlyMap<string, Uint8Array | Blob | string>
  | Readonly<Record<string, Uint8Array | Blob | string>>;

/** Opens a source: an address, a path (Node only), a GGUF file, a folder, or files by name. */
export function openPlace(place: Place): ModelFiles | string | Blob {
  if (place instanceof Blob) return place;
  if (typeof place !== "string") return isStorage(place) ? openStorage(place) : memoryFiles(place);
  return /^https?:/.test(place) && !new URL(place).pathname.toLowerCase().endsWith(".gguf") ? urlFiles(place) : place;
}

/** Opens a folder for files. */
export function openStorage<P extends StoragePlace>(place: P): P extends string ? string : WritableFiles;
export function openStorage(place: StoragePlace): string | WritableFiles {
  if (typeof place === "string") return place;
  return "opfs" in place ? opfsFiles(place.opfs) : directoryFiles(place);
}

/** Returns true for a folder. Other objects are files by name. */
function isStorage(place: object): place is Exclude<StoragePlace, string> {
  if ((place as { kind?: unknown }).kind === "directory") return true;
  const [[name, value] = [], ...others] = Object.entries(place);
  return name === "opfs" && typeof value === "string" && others.length === 0;
}
