import {
  type ClassifierConfig,
  isClassifierConfig,
  isTokenClassifierConfig,
  type ModelConfig,
} from "../../config/architectureConfig.ts";
import { classifierHeadToHf } from "../../config/classifierHead.ts";
import type { Architecture } from "../../model/architecture.ts";

/** Converts a config of `architecture` to a `config.json` object; see `toHfConfig`. */
export function hfConfig(
  { heads, ...architecture }: Architecture,
  config: ModelConfig | ClassifierConfig,
  options: { dtype?: string } = {},
): Record<string, unknown> {
  const classifies = isClassifierConfig(config);
  const head = isTokenClassifierConfig(config)
    ? heads.tokenClassification
    : classifies
      ? heads.sequenceClassification
      : heads.causalLM;
  const keys: Record<string, unknown> = {
    ...architecture.writeConfig(config),
    // Only classes with a head have a name here. Without one, transformers chooses the class by `model_type`.
    ...(head && { architectures: [head.className] }),
    ...(classifies && classifierHeadToHf(config)),
    model_type: config.modelType,
    torch_dtype: options.dtype ?? "float32",
  };
  // transformers sorts the keys.
  const sorted = Object.keys(keys).sort();
  return Object.fromEntries(sorted.map((key) => [key, keys[key]]));
}

/**
 * Returns the text of a config.json. Writes integer soft caps of logits as floats ("30.0"), since transformers accepts
 * only floats for them.
 */
export function configText(config: Record<string, unknown>): string {
  return `${JSON.stringify(config, null, 2)}\n`.replace(/(?<=_softcapping": \d+)(?=,?\n)/g, ".0");
}
