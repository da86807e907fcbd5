import { realpath } from "node:fs/promises";
import { basename, dirname, resolve } from "node:path";
import { type AdapterPlace, folderPlace, type ManifestText, ServingError } from "@lowrank/serve";

/**
 * Returns the adapters of the command line as an adapter storage (`AdapterPlace`), whose paths are the adapters' names.
 * The manifest is kept in memory only. Throws an error that names the adapter if its folder does not exist.
 */
export async function namedFolders(adapters: Readonly<Record<string, string>>): Promise<AdapterPlace> {
  const folders = new Map<string, { place: AdapterPlace; path: string }>();
  for (const [name, folder] of Object.entries(adapters)) {
    const real = await realpath(resolve(folder)).catch(() => null);
    if (real === null) throw new Error(`adapter ${name}: there is no folder ${folder}; correct its path`);
    folders.set(name, { place: folderPlace(dirname(real)), path: basename(real) });
  }
  let manifest: ManifestText = { text: '{ "discover": true, "adapters": {} }', tag: "0" };
  return {
    label: "the adapters of the command line",
    pathOf(path) {
      if (folders.has(path)) return path;
      // A list of the names would show one key the adapters of others.
      const message = `No adapter found in ${path}; it must be a name that --adapter gives, or start with --store DIR`;
      throw new ServingError("not_found", message, "lora_path");
    },
    adapters: async () => [...folders.keys()],
    async files(path) {
      const folder = folders.get(path);
      return folder ? folder.place.files(folder.path) : null;
    },
    async holds(path, files) {
      const folder = folders.get(path);
      return folder ? folder.place.holds(folder.path, files) : false;
    },
    async read(path, files) {
      const folder = folders.get(path);
      return folder ? folder.place.read(folder.path, files) : null;
    },
    readManifest: async (known) => (known === manifest.tag ? "same" : manifest),
    async writeManifest(text, replaces) {
      if (replaces !== manifest.tag) return null;
      manifest = { text, tag: String(Number(manifest.tag) + 1) };
      return manifest.tag;
    },
  };
}
