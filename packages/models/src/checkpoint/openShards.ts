import { openSafetensors, openShardedSafetensors, parseSafetensorsIndex, type SafetensorsFile } from "@lowrank/core";
import type { ModelFiles } from "@lowrank/files";

/** Opens all shards that the index file `index` lists, as if they were one file. */
export async function openShards(files: ModelFiles, index: string): Promise<SafetensorsFile> {
  const open = async (name: string) => openSafetensors(await files.open(name), `${name} of ${files.label}`);
  const label = `${index} of ${files.label}`;
  return openShardedSafetensors(parseSafetensorsIndex(await files.readText(index), label), open, label);
}
