import { readFile, stat } from "node:fs/promises";
import { folderFiles } from "@lowrank/files";
import { type ModelConfig, parseModelConfig, presetConfig, readModelConfig } from "@lowrank/models";

/** The config that a word means: a config.json, the folder of a model, or a preset's name. */
export async function findModelConfig(source: string): Promise<ModelConfig> {
  const found = await stat(source).catch(() => undefined);
  if (found?.isDirectory()) return readModelConfig(await folderFiles(source));
  if (found) return parseModelConfig(parseJson(await readFile(source, "utf8"), source), source);
  if (/[\\/]|\.json$/.test(source)) throw new Error(`there is no file or folder ${source}`);
  return presetConfig(source);
}

function parseJson(text: string, path: string): unknown {
  try {
    return JSON.parse(text);
  } catch (error) {
    throw new Error(`${path} is not valid JSON: ${(error as Error).message}`);
  }
}
