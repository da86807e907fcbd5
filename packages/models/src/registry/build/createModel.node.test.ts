import { readdir } from "node:fs/promises";
import { join } from "node:path";
import { init, reference } from "@lowrank/core";
import { folderFiles, readJson } from "@lowrank/files";
import { goldenFolder } from "@lowrank/test-support/folders";
import { beforeAll, describe, expect, test } from "vitest";
import { loadSequenceClassifier } from "../../checkpoint/loadEncoder.ts";
import { loadModel } from "../../checkpoint/loadModel.ts";
import { readClassifierConfig, readModelConfig } from "../configs/readModelConfig.ts";
import { describeModel } from "./createModel.ts";

const folder = join(goldenFolder, "models");
const names = await readdir(folder);

const isClassifier = ([architecture]: readonly string[]) => architecture.endsWith("ForSequenceClassification");

/** Returns the config of a golden model; null, after a notice, if its architecture is not supported. */
async function configOf(name: string) {
  const files = await folderFiles(join(folder, name));
  const { architectures } = (await readJson(files, "config.json")) as { architectures: string[] };
  try {
    if (isClassifier(architectures)) return await readClassifierConfig(files);
    return await readModelConfig(files);
  } catch (error) {
    console.log(`skipped: ${name} (${(error as Error).message})`);
    return null;
  }
}

beforeAll(async () => {
  await init(reference());
});

describe.for(names)("%s", async (name) => {
  const config = await configOf(name);

  test.skipIf(!config)("is described as it is made, where the architecture is here", async () => {
    const description = describeModel(config!);
    const classifies = "labels" in config!;
    const { model } = await (classifies ? loadSequenceClassifier : loadModel)(join(folder, name));
    const made = [...model.namedParameters()].map(([path, { shape }]) => ({ name: path, shape }));
    expect(description.parameters).toEqual(made);
    expect(description.parameterCount).toBe([...model.parameters()].reduce((sum, { size }) => sum + size, 0));
    expect(description.modelType).toBe(config!.modelType);
    expect(model.getSubmodule(description.head)).toBe("lm_head" in model ? model.lm_head : model.logitsLayer);

    const all = new Map(model.namedParameters({ duplicates: true }));
    const tied = new Set(description.ties.map((tie) => tie.name));
    for (const tie of description.ties) expect(all.get(tie.name)).toBe(all.get(tie.of));
    expect(made.length + tied.size).toBe(all.size);

    // The layers cover every parameter, with the shapes that their fields describe.
    const shapes = new Map<string, readonly number[]>();
    for (const layer of description.layers) {
      const { path } = layer;
      const bias = "bias" in layer && layer.bias;
      if (layer.kind === "embedding") shapes.set(`${path}.weight`, [layer.rows, layer.dim]);
      else if (layer.kind === "norm") shapes.set(`${path}.weight`, [layer.dim]);
      else if (layer.kind === "linear") shapes.set(`${path}.weight`, [layer.outFeatures, layer.inFeatures]);
      else shapes.set(`${path}.weight`, [layer.inFeatures, layer.outFeatures]);
      if (bias) shapes.set(`${path}.bias`, [layer.kind === "norm" ? layer.dim : layer.outFeatures]);
    }
    expect(shapes).toEqual(new Map([...all].map(([path, { shape }]) => [path, shape])));
  });
});
