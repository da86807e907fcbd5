import { type ClassifierConfig, describeConfig, describeModel, type ModelConfig, presetConfig } from "@lowrank/models";
import { presetJson } from "@lowrank/models/internal";
import type { FloatDType } from "@lowrank/peft";
import type { FoundShapes } from "./comparedModel.ts";

const dtypes: Readonly<Record<string, FloatDType>> = { float32: "f32", float16: "f16", bfloat16: "bf16" };

/** Returns the shapes of a model config, of the JSON of a config.json, or of a preset with this name. */
export function shapesOfConfig(model: string | object): FoundShapes {
  if (typeof model === "string") {
    const json = presetJson(model);
    // Throws for an unknown name, and suggests a similar one.
    if (json === undefined || json === null) return { shapes: describeModel(presetConfig(model)), source: model };
    return { ...shapesOfJson(json, `preset ${model}`), source: model };
  }
  if ("model_type" in model) return shapesOfJson(model, "config.json");
  const shapes = describeModel(model as ModelConfig | ClassifierConfig);
  return { shapes, source: shapes.modelType };
}

function shapesOfJson(json: object, where: string): FoundShapes {
  const shapes = describeConfig(json, { where });
  const { dtype, torch_dtype } = json as { dtype?: string; torch_dtype?: string };
  return { shapes, source: shapes.modelType, dtype: dtypes[dtype ?? torch_dtype ?? "float32"] };
}
