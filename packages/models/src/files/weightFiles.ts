import { type ModelFiles, missingFile, readJson } from "./modelFiles.ts";

const single = "model.safetensors";
const index = `${single}.index.json`;

/** The names of a model's weight files: `model.safetensors`, or the shards that its index lists. */
export async function weightFiles(files: ModelFiles): Promise<string[]> {
  if (await files.has(single)) return [single];
  if (!(await files.has(index))) throw await missingFile(files, `${single} or ${index}`);
  const { weight_map: map } = (await readJson(files, index)) as { weight_map?: Record<string, unknown> };
  const shards = [...new Set(Object.values(map ?? {}))];
  if (shards.length === 0 || !shards.every((shard) => typeof shard === "string")) {
    throw new Error(`${files.label}: ${index} has no "weight_map" from tensor names to files`);
  }
  return shards.sort();
}
