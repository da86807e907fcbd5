import { readdirSync } from "node:fs";

/** Returns the names of the folders in a folder, in order. */
export function directories(folder: string): string[] {
  return readdirSync(folder, { withFileTypes: true })
    .filter((entry) => entry.isDirectory())
    .map(({ name }) => name)
    .sort();
}
