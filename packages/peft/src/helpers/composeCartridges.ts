import { cat, fromBytes, noGrad, scope, type Tensor, to } from "@lowrank/core";
import { checkOptions } from "@lowrank/core/internal";
import type { WritablePlace } from "@lowrank/files";
import { toSnakeCase } from "../config/checks.ts";
import type { PeftConfig } from "../config/peftConfig.ts";
import type { PromptLearningConfig } from "../config/promptLearningConfig.ts";
import { type OnWarning, printWarning } from "../config/warning.ts";
import { type AdapterSource, adapterContents } from "../files/adapterFiles.ts";
import { isPromptMethod } from "../methods/shared/method.ts";
import { readAdapter, type SavedAdapter } from "../saved/readAdapter.ts";

/** Options of `composeCartridgeAdapters`. */
export interface ComposeCartridgesOptions {
  /** Also writes the files to this folder: a path in Node, or `WritableFiles`. */
  outputPath?: WritablePlace;
  /** Receives warnings. Default: console.warn. */
  onWarning?: OnWarning;
}

const key = "prompt_embeddings";
/** Fields in which all cartridges must agree. */
const same = ["taskType", "tokenDim", "numLayers", "numAttentionHeads", "numTransformerSubmodules"] as const;

/**
 * Joins saved cartridges into one, whose virtual tokens are the tokens of all of them, one after the other. Returns its
 * files in memory, which `loadAdapter` reads. The first cartridge sets the number of frozen tokens.
 *
 * @throws If there are fewer than two adapters, or if one is no cartridge or is for another model.
 *
 * @example
 * const files = await composeCartridgeAdapters(["./manual", "./news"], { outputPath: "./both" });
 * const peft = await PeftModel.fromPretrained(model, files);
 */
export async function composeCartridgeAdapters(
  adapters: readonly AdapterSource[],
  options: ComposeCartridgesOptions = {},
): Promise<ReadonlyMap<string, Uint8Array | string>> {
  const where = "composeCartridgeAdapters";
  checkOptions(where, options, { outputPath: true, onWarning: true });
  const { outputPath, onWarning = printWarning } = options;
  if (adapters.length < 2) throw new Error(`${where}: there are ${adapters.length} adapters; give at least 2`);
  const saved: SavedAdapter[] = [];
  for (const source of adapters) saved.push(await readAdapter(source, {}, onWarning));
  const configs = saved.map(({ method, config, files }) => {
    if (isPromptMethod(method) && "numFrozenTokens" in config) return config as PeftConfig as PromptLearningConfig;
    throw new Error(`${where}: ${files.label} is ${method.peftType}; give cartridges`);
  });
  const [first] = configs;
  for (const [i, config] of configs.entries()) {
    const field = same.find((name) => config[name] !== first[name]);
    if (field === undefined) continue;
    throw new Error(
      `${where}: ${toSnakeCase(field)} is ${config[field]} in ${saved[i].files.label}, and ${first[field]} in ${saved[0].files.label}; give cartridges for the same model`,
    );
  }
  using rows = await joinedRows(saved);
  const adapter = { method: saved[0].method, config: first.with({ numVirtualTokens: rows.shape[0] }) };
  const files = await adapterContents(adapter, new Map([[key, rows]]), new Map(), () => rows.dtype);
  if (outputPath !== undefined) {
    const { writeAdapter } = await import("../saved/writeAdapter.ts");
    await writeAdapter(outputPath, files);
  }
  return files;
}

/** Returns the virtual tokens of all cartridges as one tensor, which is f32 if their dtypes differ. */
async function joinedRows(saved: readonly SavedAdapter[]): Promise<Tensor> {
  const parts = await Promise.all(saved.map(({ weights }) => weights.read(key)));
  const isSame = parts.every(({ dtype }) => dtype === parts[0].dtype);
  return noGrad(() =>
    scope(() => {
      const tensors = parts.map(({ bytes, shape, dtype }) => {
        const rows = fromBytes(bytes, shape, dtype);
        return isSame ? rows : to(rows, { dtype: "f32" });
      });
      return cat(tensors, { dim: 0 });
    }),
  );
}
