import { Generator, init, reference } from "@lowrank/core";
import { createModel, parseModelConfig, randomParameters } from "@lowrank/models";
import { beforeAll, expect, it } from "vitest";
import * as train from "../index.ts";

beforeAll(async () => {
  await init(reference());
});

// biome-ignore lint/suspicious/noExplicitAny: calls from JavaScript have no types
const loose = train as any;
const config = parseModelConfig({
  ...{ model_type: "llama", vocab_size: 11, hidden_size: 8, intermediate_size: 12, num_hidden_layers: 1 },
  ...{ num_attention_heads: 2, num_key_value_heads: 1, max_position_embeddings: 16 },
});
const model = () => createModel(config, randomParameters(new Generator(5)));
const examples = [{ inputIds: [1, 2], labels: [1, 2] }];

it.each<[string, () => unknown, string]>([
  [
    "Trainer",
    () => new loose.Trainer(model(), examples, { padTokenId: 0, learning_rate: 1 }),
    "Trainer: there is no option learning_rate; did you mean learningRate?",
  ],
  [
    "Trainer, by no camel",
    () => new loose.Trainer(model(), examples, { padTokenId: 0, num_train_epochs: 1 }),
    "Trainer: there is no option num_train_epochs; ",
  ],
  [
    "collate",
    () => loose.collate(examples, { pad_token_id: 0 }),
    "collate: there is no option pad_token_id; did you mean padTokenId?",
  ],
  ["blocks", () => loose.blocks([1], { block_size: 2 }), "did you mean blockSize?"],
  ["packExamples", () => loose.packExamples(examples, { blocksize: 2 }), "did you mean blockSize?"],
])("%s refuses an unknown option", (_name, run, message) => {
  expect(run).toThrow(message);
});

it("evaluate and readDataset refuse unknown options", async () => {
  await expect(loose.evaluate(model(), examples, { padTokenId: 0, batch_size: 1 })).rejects.toThrow(
    "did you mean batchSize?",
  );
  await expect(loose.readDataset("x", { fromat: "text" }).next()).rejects.toThrow("did you mean format?");
});
