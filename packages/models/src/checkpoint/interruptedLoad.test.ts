import { Generator, init, memory, type Progress, reference } from "@lowrank/core";
import { memoryFiles } from "@lowrank/files";
import { beforeAll, expect, test } from "vitest";
import { randomParameters } from "../model/parameters.ts";
import { createModel } from "../registry/build/createModel.ts";
import { parseModelConfig } from "../registry/configs/modelConfig.ts";
import { loadModel } from "./loadModel.ts";
import { modelFileContents } from "./saveModel.ts";

const config = parseModelConfig({
  ...{ model_type: "llama", vocab_size: 11, hidden_size: 64, intermediate_size: 64, num_hidden_layers: 1 },
  ...{ num_attention_heads: 4, max_position_embeddings: 32 },
});

beforeAll(() => init(reference()));

test("a model tells its progress as it is loaded and quantised, and nothing is left if that is aborted", async () => {
  const model = createModel(config, randomParameters(new Generator(1)));
  const contents = await modelFileContents(model, config);
  const progress: Progress[] = [];
  await loadModel(memoryFiles(contents), { quantize: {}, onProgress: (report) => progress.push(report) });
  const { total } = progress[0];
  expect(progress.map(({ name }) => name).sort()).toEqual([...model.stateDict().keys()].sort());
  expect(progress.map(({ loaded }) => loaded)).toEqual(progress.map(({ loaded }) => loaded).toSorted((a, b) => a - b));
  expect(progress.at(-1)?.loaded).toBe(total);

  const { buffers } = memory();
  const controller = new AbortController();
  const onProgress = ({ loaded }: Progress) => loaded > total / 2 && controller.abort();
  const loading = loadModel(memoryFiles(contents), { onProgress, signal: controller.signal });
  await expect(loading).rejects.toHaveProperty("name", "AbortError");
  expect(memory().buffers).toBeLessThanOrEqual(buffers);
});
