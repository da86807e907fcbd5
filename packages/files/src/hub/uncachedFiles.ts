import { type ModelFiles, missingFile, namesIn } from "../interface/modelFiles.ts";
import { type HubPlace, pathIn } from "./hubAddress.ts";
import type { HubClient } from "./hubClient.ts";

/** Opens the files of one commit on the hub. Byte ranges are downloaded as they are read, and not stored. */
export async function uncachedFiles(
  client: HubClient,
  commit: string,
  { path: folder }: HubPlace,
  label: string,
): Promise<ModelFiles> {
  const listing = await client.filesOf(commit);
  const pathOf = (name: string) => pathIn(folder, name, label);
  const files: ModelFiles = {
    label,
    has: async (name) => listing.has(pathOf(name)),
    readText: async (name) => {
      const source = await files.open(name);
      return new TextDecoder().decode(await source.read(0, source.size));
    },
    open: async (name) => {
      const file = listing.get(pathOf(name));
      if (!file) throw await missingFile(files, name);
      return client.source(commit, file);
    },
    list: async (inner = "") => namesIn(listing.keys(), pathOf(inner).replace(/\/$/, "")),
  };
  return files;
}
