import { checkOptions, type OptionKeys } from "@lowrank/core/internal";
import type { HubFilesOptions, HubOptions } from "../hub/hubSettings.ts";
import type { ModelFiles } from "../interface/modelFiles.ts";
import { urlFiles } from "../places/urlFiles.ts";

/** Options for opening a place. They have an effect only for places on the Hugging Face hub. */
export interface OpenOptions extends Pick<HubFilesOptions, "onProgress" | "signal"> {
  hub?: HubOptions;
}

/** The names of all options of `OpenOptions`. */
export const openKeys: OptionKeys<OpenOptions> = { hub: true, onProgress: true, signal: true };

/**
 * Opens the files of a place: an http(s) address, a model on the Hugging Face hub (hf:// address), or a folder. A
 * folder is given by path or file: URL (Node only). `ModelFiles` are returned unchanged. Throws for other values.
 */
export async function openFiles(place: string | URL | ModelFiles, options: OpenOptions = {}): Promise<ModelFiles> {
  checkOptions("openFiles", options, openKeys);
  if (typeof place === "string" || place instanceof URL) {
    if (/^hf:/i.test(String(place))) {
      const { hub, onProgress, signal } = options;
      return (await import("../hub/hubFiles.ts")).hubFiles(place, { ...hub, onProgress, signal });
    }
    if (/^https?:/i.test(String(place))) return urlFiles(place);
    const { folderFiles } = await import("../places/folderFiles.ts");
    return folderFiles(place);
  }
  if (typeof (place as ModelFiles | null)?.readText === "function") return place;
  const kind = place === null ? "null" : typeof place === "object" ? "an object of another kind" : String(place);
  throw new Error(
    `files come from a folder's path, an http(s) or hf:// address, urlFiles(address) or memoryFiles({ "config.json": ... }), and ${kind} was given`,
  );
}
