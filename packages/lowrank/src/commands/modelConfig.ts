import { readFile, stat } from "node:fs/promises";
import { folderFiles, openFile } from "@lowrank/files";
import { type ModelConfig, openGguf, parseModelConfig, presetConfig, readModelConfig } from "@lowrank/models";
import { isGguf } from "./loading.ts";

/** The config that a word means: a config.json, the folder or GGUF file of a model, or a preset's name. */
export async function findModelConfig(source: string): Promise<ModelConfig> {
  const found = await stat(source).catch(() => undefined);
  if (found?.isDirectory()) return readModelConfig(await folderFiles(source));
  if (found && isGguf(source)) return (await openGguf(await openFile(source), source)).config;
  if (found) return parseModelConfig(parseJson(await readFile(source, "utf8"), source), source);
  if (/[\\/]|\.(json|gguf)$/.test(source)) throw new Error(`there is no file or folder ${source}`);
  return presetConfig(source);
}

function parseJson(text: string, path: string): unknown {
  try {
    return JSON.parse(text);
  } catch (error) {
    throw new Error(`${path} is not valid JSON: ${(error as Error).message}`);
  }
}
