import type { ModelFiles } from "@lowrank/files";

/**
 * The source of an adapter: a folder (a path or file: URL in Node, or an http(s) address), a Hugging Face repository
 * (`hf://org/name@revision`), files in memory by name, or other `ModelFiles`.
 */
export type AdapterSource = string | URL | ModelFiles | ReadonlyMap<string, Uint8Array | Blob | string>;
