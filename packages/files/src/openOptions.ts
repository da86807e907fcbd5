import type { OptionKeys } from "@lowrank/core";
import type { HubFilesOptions, HubOptions } from "./hub/hubSettings.ts";

/** Options of opening a place, of which only the Hugging Face hub has any. */
export interface OpenOptions extends Pick<HubFilesOptions, "onProgress" | "signal"> {
  hub?: HubOptions;
}

/** The names of all options of `OpenOptions`. */
export const openKeys: OptionKeys<OpenOptions> = { hub: true, onProgress: true, signal: true };
