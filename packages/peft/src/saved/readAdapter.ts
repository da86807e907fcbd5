import type { SafetensorsFile } from "@lowrank/core";
import { expressionCost } from "@lowrank/core/internal";
import { type ModelFiles, memoryFiles, readJson } from "@lowrank/files";
import { toSnakeCase } from "../config/checks.ts";
import type { PeftConfig } from "../config/peftConfig.ts";
import type { OnWarning } from "../config/warning.ts";
import {
  type AdapterSource,
  adapterFileNames,
  type OpenSourceOptions,
  openSource,
  openWeights,
} from "../files/adapterFiles.ts";
import { parseConfig } from "../files/configFile.ts";
import { readForeign } from "../files/parsePeftConfig.ts";
import { methodsFor } from "../methods/registry.ts";
import type { AnyMethod } from "../methods/shared/method.ts";
import type { MethodFacts } from "../methods/shared/methodFacts.ts";

/** An adapter as read from its files, not yet added to a model. */
export interface SavedAdapter {
  /** The name of the configuration file in error messages. */
  label: string;
  method: AnyMethod;
  config: PeftConfig;
  weights: SafetensorsFile;
  /** The files of the adapter's folder. */
  files: ModelFiles;
}

/** Reads the configuration of a PEFT, AdapterHub or mlx-lm adapter, and opens its weights. */
export async function readAdapter(
  source: AdapterSource,
  options: OpenSourceOptions,
  onWarning: OnWarning,
): Promise<SavedAdapter> {
  const files = await openSource(source, options);
  const label = `${adapterFileNames.config} of ${files.label}`;
  const json = await readJson(files, adapterFileNames.config);
  const { peft_type: type } = (json ?? {}) as { peft_type?: unknown };
  if (type === undefined) {
    const { fromMlxFiles } = await import("../foreign/mlx.ts");
    const ofMlx = await fromMlxFiles(files, json);
    if (ofMlx) return readAdapter(memoryFiles(ofMlx, files.label), {}, onWarning);
  }
  const methods = await methodsFor(type);
  const foreign = readForeign(json, label, methods);
  const unread = foreign?.layout.unread;
  if (unread && (await files.has(unread.file))) {
    const message = `${files.label}: ${unread.file} and ${unread.holds} are not read; the model keeps its own`;
    onWarning({ code: "unread-file", message });
  }
  const { method, config } = parseConfig(foreign?.fields ?? json, methods, label, onWarning);
  checkExpressions(config, method, label);
  const weights = await openWeights(files, foreign?.layout);
  checkSizes(config, method, weights, label);
  return { label, method, config, weights, files };
}

/** Yields each regular expression in a configuration, with the name of its field. */
function* expressionsOf(config: PeftConfig, method: AnyMethod): Generator<[field: string, expression: string]> {
  const { targetModules, excludeModules, modulesToSave } = config;
  const { layersPattern } = config as { layersPattern?: readonly string[] | string | null };
  if (typeof targetModules === "string") yield ["target_modules", targetModules];
  if (typeof excludeModules === "string") yield ["exclude_modules", excludeModules];
  for (const name of modulesToSave ?? []) yield ["modules_to_save", name];
  for (const name of [layersPattern ?? []].flat()) yield ["layers_pattern", name];
  for (const [name, keys] of Object.entries(("patterns" in method && method.patterns?.(config)) || {})) {
    for (const key of Object.keys(keys)) yield [name, key];
  }
}

/**
 * Throws if a regular expression in an adapter's configuration could take very long to match. `label` is the file's
 * name in the error message.
 */
export function checkExpressions(config: PeftConfig, method: AnyMethod, label: string): void {
  for (const [field, expression] of expressionsOf(config, method)) {
    const reason = expressionCost(expression);
    if (!reason) continue;
    const shown = expression.length > 80 ? `${expression.slice(0, 77)}...` : expression;
    throw new Error(
      `${label}: ${field} holds the expression ${JSON.stringify(shown)}, which could take very long to match: ${reason}; write it otherwise, or list the modules' names`,
    );
  }
}

/** Yields each tensor size in a configuration (such as a rank), with the name of its field. */
function* sizesIn(config: PeftConfig, method: MethodFacts<PeftConfig>): Generator<[field: string, size: unknown]> {
  for (const name of method.usedSizes?.(config) ?? method.sizes ?? ["r", "rankPattern"]) {
    const value = (config as unknown as Readonly<Record<string, unknown>>)[name];
    const field = toSnakeCase(name);
    if (typeof value !== "object" || value === null) yield [field, value];
    else for (const [key, size] of Object.entries(value)) yield [`${field}["${key}"]`, size];
  }
}

/**
 * Throws if a size in the configuration is larger than the number of elements in the weights file. This check comes
 * before tensors of that size are allocated.
 */
export function checkSizes(
  config: PeftConfig,
  method: MethodFacts<PeftConfig>,
  weights: SafetensorsFile,
  label: string,
): void {
  const counts = weights.names().map((name) => weights.info(name).shape.reduce((product, n) => product * n, 1));
  const most = counts.reduce((sum, count) => sum + count, 0);
  for (const [field, size] of sizesIn(config, method)) {
    if (typeof size === "number" && size > most) {
      throw new Error(
        `${label}: ${field} is ${size}, more than the ${most} values in ${weights.label}; the files belong to different adapters`,
      );
    }
  }
}
