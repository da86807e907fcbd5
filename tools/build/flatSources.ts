import { globSync, readFileSync } from "node:fs";
import { basename, join } from "node:path";

/** The path of an import, up to the file's name. */
const folderOfImport = /^((?:import|export)\b[^;"]*? from ")[^"]*\/([^"/]+")/gm;

/**
 * Returns a function that reads the sources of a folder as if all files were directly in it. AssemblyScript names a
 * function after its file's path, and binaryen orders equal functions by name. So a file that moves to another folder
 * would change the bytes of the module. With these paths it does not. Files in different folders need different names.
 */
export function flatSources(root: string, folder: string): (path: string) => string | null {
  const sources = new Map<string, string>();
  for (const path of globSync(`${folder}/**/*.ts`, { cwd: root })) {
    const flat = `${folder}/${basename(path)}`;
    if (sources.has(flat)) throw new Error(`${path}: another file of ${folder}/ has this name; choose another one`);
    sources.set(flat, readFileSync(join(root, path), "utf8").replace(folderOfImport, "$1./$2"));
  }
  return (path) => sources.get(path) ?? null;
}
