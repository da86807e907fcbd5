import type { ByteSource } from "@lowrank/core";
import { type HubPlace, parseHubAddress } from "../hub/hubAddress.ts";
import { hubFiles } from "../hub/hubFiles.ts";
import type { OpenOptions } from "./openFiles.ts";

/** Opens one file of the Hugging Face hub, by its hf:// address. */
export async function openHubFile(file: string | URL, { hub, onProgress, signal }: OpenOptions): Promise<ByteSource> {
  const { repo, revision, path } = parseHubAddress(file) as HubPlace;
  if (path === "")
    throw new Error(`${file} is a repository; give the address of a file, such as hf://${repo}/model.gguf`);
  const files = await hubFiles(`hf://${repo}@${encodeURIComponent(revision)}`, { ...hub, onProgress, signal });
  return files.open(path);
}
