import { OptionError } from "@lowrank/core";
import { checkOptions } from "@lowrank/core/internal";
import { PeftConfig } from "../config/peftConfig.ts";
import type { AdaptableModel } from "../model/adaptedLoss.ts";
import type { PeftMixedModel } from "./peftMixedModel.ts";
import { PeftModel } from "./peftModel.ts";
import { addAdapterKeys, type GetPeftModelOptions } from "./peftModelOptions.ts";

/**
 * Adds a new adapter to a model and freezes the model's parameters. Changes the model in place. With `mixed`, returns a
 * `PeftMixedModel`.
 */
export async function getPeftModel<M extends AdaptableModel>(
  model: M,
  config: PeftConfig,
  given: GetPeftModelOptions & { mixed: typeof PeftMixedModel },
): Promise<PeftMixedModel<M>>;
export async function getPeftModel<M extends AdaptableModel>(
  model: M,
  config: PeftConfig,
  given?: GetPeftModelOptions,
): Promise<PeftModel<M>>;
export async function getPeftModel<M extends AdaptableModel>(
  model: M,
  config: PeftConfig,
  given: GetPeftModelOptions = {},
): Promise<PeftModel<M>> {
  checkOptions("getPeftModel", given, { ...addAdapterKeys, adapterName: true, onWarning: true, mixed: true });
  checkConfig(config);
  const { adapterName = "default", onWarning, mixed, ...options } = given;
  if (mixed !== undefined && typeof mixed !== "function") {
    throw new OptionError(
      "getPeftModel",
      "mixed",
      mixed,
      `is ${mixed}; give the class PeftMixedModel, or leave it out`,
    );
  }
  const peft = new (mixed ?? PeftModel)(model, onWarning);
  await peft.addAdapter(adapterName, config, options);
  peft.setAdapter(adapterName);
  return peft;
}

/** Throws if the configuration is a plain object, such as a parsed `adapter_config.json`. */
function checkConfig(config: unknown): asserts config is PeftConfig {
  if (config instanceof PeftConfig) return;
  throw new Error(
    "getPeftModel: the configuration is no PeftConfig; make one, as in new LoraConfig({ r: 8 }), or read it with parsePeftConfig",
  );
}
