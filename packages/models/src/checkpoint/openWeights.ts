import { openSafetensors, type SafetensorsFile } from "@lowrank/core";
import type { ModelFiles } from "@lowrank/files";
import type { ClassifierConfig, ModelConfig } from "../config/architectureConfig.ts";
import { onShapes, type Tie, tiesOf } from "../model/onShapes.ts";
import type { ParameterSource } from "../model/parameters.ts";
import { buildModel } from "../registry/build/buildModel.ts";
import { renamed, renameToModelNames } from "../registry/build/checkpointNames.ts";
import { loadArchitecture } from "../registry/loadArchitecture.ts";

/**
 * Opens the weights of a Hugging Face folder, under the model's parameter names: model.safetensors, or else the shards
 * that its index lists. Leaves out tensors that the model does not use, tensors that can be computed from the config,
 * and repetitions of a tied tensor.
 */
export async function openWeights(files: ModelFiles, config: ModelConfig | ClassifierConfig): Promise<SafetensorsFile> {
  const architecture = await loadArchitecture(config);
  const file = renameToModelNames(await openSafetensorsFolder(files), architecture, config);
  const ties = tiesOf(onShapes((source) => buildModel(architecture, config, within(file, source))));
  await checkTies(
    file,
    ties,
    ({ name, of }) =>
      `${name} is not ${of}, to which config.json ties it; set tie_word_embeddings to false there, or leave ${name} out`,
  );
  const tied = new Set(ties.map(({ name }) => name));
  return renamed(file, new Map(file.names().flatMap((name) => (tied.has(name) ? [] : [[name, name]]))));
}

/**
 * Returns `source`, the function that provides a model's parameters, with a check: it throws if the model requests far
 * more tensors than the file has. Without this check, building a model from a damaged config with ten million layers
 * would take minutes.
 */
function within(file: SafetensorsFile, source: ParameterSource): ParameterSource {
  const count = file.names().length;
  let left = 1000 + 100 * count;
  return (name, ...asked) => {
    if (left-- > 0) return source(name, ...asked);
    throw new Error(`${file.label} holds ${count} tensors, and config.json requires many more, "${name}" among them`);
  };
}

/** Opens a folder's model.safetensors, or else the shards listed in its index. */
export async function openSafetensorsFolder(files: ModelFiles): Promise<SafetensorsFile> {
  const single = "model.safetensors";
  const index = `${single}.index.json`;
  if ((await files.has(single)) || !(await files.has(index))) {
    return openSafetensors(await files.open(single), `${single} of ${files.label}`);
  }
  const { openShards } = await import("./openShards.ts");
  return openShards(files, index);
}

/**
 * Throws if a checkpoint has different values under the two names of a tied tensor, since the model has only one tensor
 * for both. `advice` returns the error message for the two names.
 */
export async function checkTies(
  file: SafetensorsFile,
  ties: readonly Tie[],
  advice: (tie: Tie) => string,
): Promise<void> {
  for (const { name, of } of ties) {
    if (!file.has(name) || !file.has(of)) continue;
    const { sameTensors } = await import("./sameTensors.ts");
    if (await sameTensors(file, name, of)) continue;
    throw new Error(`${file.label}: ${advice({ name, of })}`);
  }
}
