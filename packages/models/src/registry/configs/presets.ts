import { OptionError } from "@lowrank/core";
import { nearestName } from "@lowrank/core/internal";
import type { ModelConfig } from "../../config/architectureConfig.ts";
import type { Architecture } from "../../model/architecture.ts";
import { architectures } from "../registry.ts";
import { parseModelConfig } from "./modelConfig.ts";

/**
 * Returns the `config.json` objects of published models, by model name. Includes only architectures for which `chosen`
 * returns true.
 */
function presetsOf(chosen: (architecture: Architecture) => boolean): ReadonlyMap<string, object> {
  const ofOne = ({ modelType, presets = {} }: Architecture): [string, object][] =>
    Object.entries(presets).map(([name, json]) => [name, { model_type: modelType, ...json }]);
  return new Map(architectures().filter(chosen).flatMap(ofOne));
}

const writes = ({ heads }: Architecture): boolean => heads.causalLM !== undefined;

/** Returns the names of published language models whose configs are built in. */
export function presetNames(): string[] {
  return [...presetsOf(writes).keys()];
}

/**
 * Returns the names of published models without a language-model head, such as encoders, whose configs are built in.
 */
export function stackPresetNames(): string[] {
  return [...presetsOf((one) => !writes(one)).keys()];
}

/** Returns the built-in `config.json` object of a published model by name; undefined for an unknown name. */
export function presetJson(name: string): object | undefined {
  return presetsOf(() => true).get(name);
}

/**
 * Returns the built-in config of a published language model: `presetConfig("llama-7b")`. For an unknown name, throws
 * `OptionError`, which suggests the nearest name. A name without its size, such as "smollm2", is near to all sizes.
 */
export function presetConfig(name: string): ModelConfig {
  const presets = presetsOf(writes);
  const found = presets.get(name);
  if (found) return parseModelConfig(found, `preset ${name}`);
  const names = [...presets.keys()];
  const families = new Map(names.toReversed().map((known) => [familyOf(known), known]));
  const near = nearestName(name, names) ?? families.get(nearestName(name, families.keys()) ?? "");
  const hint = near === undefined ? "there" : `did you mean ${near}? There`;
  const problem = `there is no preset ${JSON.stringify(name)}; ${hint} are ${names.join(", ")}`;
  throw new OptionError("", "name", name, () => problem);
}

/** Returns a preset's name without its size: "smollm2" for "smollm2-135m". */
const familyOf = (name: string): string => name.replace(/-?[\d.]+[mb]$/, "");
