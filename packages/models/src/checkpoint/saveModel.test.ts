import { Generator, init, reference } from "@lowrank/core";
import { memoryFiles } from "@lowrank/files";
import { beforeEach, expect, test } from "vitest";
import { randomParameters } from "../model/parameters.ts";
import { createModel } from "../registry/build/createModel.ts";
import { parseModelConfig } from "../registry/configs/modelConfig.ts";
import { loadModel } from "./loadModel.ts";
import { modelFileContents, saveModel } from "./saveModel.ts";

beforeEach(() => init(reference()));

const config = parseModelConfig({
  ...{ model_type: "llama", vocab_size: 20, hidden_size: 64, intermediate_size: 64, num_hidden_layers: 2 },
  ...{ num_attention_heads: 4, max_position_embeddings: 32 },
});

test("a model larger than a shard is cut, and comes back to the bit", async () => {
  const model = createModel(config, randomParameters(new Generator(1)));
  const files = memoryFiles();
  await saveModel(model, config, files, { maxShardSize: 40_000 });
  const names = (await files.list()).filter((name) => name.endsWith(".safetensors"));
  expect(names.length).toBeGreaterThan(3);
  expect(names).toContain(`model-00001-of-0000${names.length}.safetensors`);
  for (const name of names) expect((await files.open(name)).size).toBeLessThan(40_000 + 2000);
  const index = JSON.parse(await files.readText("model.safetensors.index.json"));
  const parameters = new Map(model.namedParameters());
  expect(Object.keys(index.weight_map)).toEqual([...parameters.keys()].sort());
  const bytes = [...parameters.values()].reduce((sum, { size }) => sum + 4 * size, 0);
  expect(index.metadata).toEqual({ total_size: bytes });
  const { model: again } = await loadModel(files);
  for (const [name, parameter] of again.namedParameters()) {
    expect(parameter.dataSync(), name).toEqual(parameters.get(name)?.dataSync());
  }
});

test("a tensor larger than a shard has one of its own, and one shard is a plain file", async () => {
  const model = createModel(config, randomParameters(new Generator(1)));
  const apart = [...(await modelFileContents(model, config, { maxShardSize: 1 })).keys()];
  const count = [...model.namedParameters()].length;
  expect(apart.filter((name) => name.endsWith(".safetensors"))).toHaveLength(count);
  const whole = [...(await modelFileContents(model, config)).keys()];
  expect(whole).toEqual(["config.json", "model.safetensors"]);
  await expect(modelFileContents(model, config, { maxShardSize: 0 })).rejects.toThrow(
    "saveModel: maxShardSize is 0; it is a number of bytes, 1 or more",
  );
});

test("a weight in 4 bits lies in one shard with its scales", async () => {
  const files = memoryFiles(await modelFileContents(createModel(config, randomParameters(new Generator(1))), config));
  const { model, config: own } = await loadModel(files, { quantize: { quantType: "nf4" } });
  const contents = await modelFileContents(model, own, { maxShardSize: 2000 });
  const index = JSON.parse(contents.get("model.safetensors.index.json") as string) as {
    weight_map: Record<string, string>;
  };
  const layer = "model.layers.0.mlp.up_proj.weight";
  const parts = Object.entries(index.weight_map).filter(([name]) => name.startsWith(layer));
  expect(parts.length).toBeGreaterThan(1);
  expect(new Set(parts.map(([, file]) => file)).size).toBe(1);
  const again = await loadModel(memoryFiles(contents));
  expect(new Map(again.model.namedParameters()).get(layer)?.dtype).toBe("nf4");
});
