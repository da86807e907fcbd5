import { OptionError } from "@lowrank/core";
import type { ClassifierConfig, ModelConfig } from "@lowrank/models";
import { Module } from "@lowrank/nn";
import { type AdaptableModel, describeModule, type FloatDType, type ModelShapes, PeftModel } from "@lowrank/peft";

/**
 * A model on which methods are compared:
 *
 * - shapes, from `describeModel` or `describeModule`;
 * - a config, from `parseModelConfig` or `presetConfig`, or the JSON of a config.json;
 * - the name of a preset, such as "llama-3.2-3b";
 * - a model that is loaded, or another module. Its values are neither read nor changed.
 */
export type ComparedModel = ModelShapes | ModelConfig | ClassifierConfig | AdaptableModel | string | object;

/** Shapes of a compared model, its name, and its stored dtype if that is known. */
export interface FoundShapes {
  readonly shapes: ModelShapes;
  readonly source: string;
  readonly dtype?: FloatDType;
}

/** Returns the shapes of a model in any of the accepted forms. Throws `OptionError` for anything else. */
export async function shapesOf(model: ComparedModel): Promise<FoundShapes> {
  if (model instanceof PeftModel) return shapesOfAdapted(model);
  if (model instanceof Module) return shapesOfModule(model as AdaptableModel);
  if (isShapes(model)) return { shapes: model, source: model.modelType };
  if (typeof model === "string" || isConfig(model)) {
    const { shapesOfConfig } = await import("./shapesOfConfig.ts");
    return shapesOfConfig(model);
  }
  const how = "give a module, a model config, the result of describeModel or describeModule, or the name of a preset";
  throw new OptionError("compareMethods", "model", model, `is ${describeValue(model)}; ${how}`);
}

const isShapes = (model: ComparedModel): model is ModelShapes =>
  typeof model === "object" && model !== null && "parameters" in model && "build" in model;

const isConfig = (model: unknown): model is object =>
  typeof model === "object" && model !== null && ("modelType" in model || "model_type" in model);

/** Describes a value in a message: as JSON, or by its class. */
export function describeValue(value: unknown): string {
  if (typeof value === "function") return "a function";
  const { name = "Object" } = (value as object | null | undefined)?.constructor ?? {};
  const isPlain = typeof value !== "object" || value === null || name === "Object" || Array.isArray(value);
  return isPlain ? `${JSON.stringify(value)}` : `a ${name}`;
}

/** Describes a module. Models of the library are described by their config, so that they can also be run. */
async function shapesOfModule(model: AdaptableModel): Promise<FoundShapes> {
  const { config } = model as { config?: object };
  const dtype = dtypeOf(model);
  if (isConfig(config) && "loss" in model) {
    const { shapesOfConfig } = await import("./shapesOfConfig.ts");
    const found = shapesOfConfig(config);
    if (hasParameters(model, found.shapes)) return { ...found, dtype };
  }
  const shapes = describeModule(model);
  return { shapes, source: shapes.modelType, dtype };
}

/** Describes the base model of a model with adapters. Throws `OptionError` if it lacks a config. */
async function shapesOfAdapted({ baseModel }: PeftModel): Promise<FoundShapes> {
  const { config } = baseModel as { config?: object };
  if (isConfig(config) && "maxPositions" in baseModel)
    return { ...(await shapesOf(config)), dtype: dtypeOf(baseModel) };
  const problem = `is a PeftModel on ${baseModel.constructor.name}; give the module before getPeftModel adapts it`;
  throw new OptionError("compareMethods", "model", baseModel, problem);
}

/** Returns true if a model has the described parameters. A model may have another head than its config describes. */
function hasParameters(model: AdaptableModel, { parameters }: ModelShapes): boolean {
  const described = new Map(parameters.map(({ name, shape }) => [name, shape.join()]));
  const own = [...model.namedParameters()];
  return own.length === described.size && own.every(([name, { shape }]) => described.get(name) === shape.join());
}

/** Returns the dtype of a model's first parameter that is not packed. */
function dtypeOf(model: AdaptableModel): FloatDType | undefined {
  for (const { dtype } of model.parameters()) {
    if (dtype === "f32" || dtype === "f16" || dtype === "bf16") return dtype;
  }
  return undefined;
}
