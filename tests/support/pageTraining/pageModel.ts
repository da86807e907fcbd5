import { fileURLToPath } from "node:url";
import { nanoModelFolder } from "@lowrank/nano";
import { sharedPath } from "../golden/sharedFolder.ts";

/** Returns the folder of the model that a page fine-tunes: stories260K, or nano's model if that is absent. */
export function pageModel(): string {
  const shared = sharedPath("models/stories260K-hf", "stories260K in a page; nano's model takes its place");
  return shared ?? fileURLToPath(nanoModelFolder);
}
