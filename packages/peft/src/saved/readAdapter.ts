import type { SafetensorsFile } from "@lowrank/core";
import { memoryFiles, readJson } from "@lowrank/files";
import type { PeftConfig } from "../config/peftConfig.ts";
import type { OnWarning } from "../config/warning.ts";
import {
  type AdapterSource,
  adapterFileNames,
  type OpenSourceOptions,
  openSource,
  openWeights,
} from "../files/adapterFiles.ts";
import { checkExpressions } from "../files/checkExpressions.ts";
import { checkSizes } from "../files/checkSizes.ts";
import { parseConfig } from "../files/configFile.ts";
import { readForeign } from "../files/foreignLayout.ts";
import { methodsFor } from "../methods/registry.ts";
import type { AnyMethod } from "../methods/shared/method.ts";

/** An adapter as read from its files, not yet added to a model. */
export interface SavedAdapter {
  /** The name of the configuration file in error messages. */
  label: string;
  method: AnyMethod;
  config: PeftConfig;
  weights: SafetensorsFile;
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
  return { label, method, config, weights };
}
