import { cp, mkdir, readdir, readFile, rm, writeFile } from "node:fs/promises";
import { Generator } from "@lowrank/core";
import { folderFiles } from "@lowrank/files";
import {
  createModel,
  parseClassifierConfig,
  parseTokenClassifierConfig,
  randomParameters,
  saveModel,
} from "@lowrank/models";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { loadEncoder, loadModel } from "../../../load/loadModel.ts";
import { commandFolder } from "../../../testing/commandFolder.ts";
import { writeTinyBert } from "../../../testing/tinyBert.ts";
import { decoder, decoderBase } from "./decoder.ts";
import { encoder } from "./encoder.ts";
import { paddingOf } from "./loadHeaded.ts";
import { sequenceClassifier } from "./sequenceClassifier.ts";
import { tokenClassifier } from "./tokenClassifier.ts";

const command = await commandFolder();
const { at } = command;
afterAll(() => rm(command.folder, { recursive: true, force: true }));

const options = { weights: "f32" as const, silent: true, labels: [] as string[], seed: 0 };
const sizes = {
  ...{ model_type: "bert", vocab_size: 98, hidden_size: 16, intermediate_size: 32, num_hidden_layers: 1 },
  ...{ num_attention_heads: 2, max_position_embeddings: 64 },
};
const names = (...labels: string[]) => Object.fromEntries(labels.map((label, i) => [i, label]));
const tokenizerFiles = ["tokenizer.json", "tokenizer_config.json"];
beforeAll(async () => {
  await writeTinyBert(command, "three");
  const score = parseClassifierConfig({ ...sizes, id2label: names("score") });
  await saveModel(createModel(score, randomParameters(new Generator(1))), score, at("score"));
  const tags = parseTokenClassifierConfig({ ...sizes, id2label: names("O", "B") });
  await saveModel(createModel(tags, randomParameters(new Generator(1))), tags, at("tags"));
  for (const name of ["score", "tags"]) {
    for (const file of tokenizerFiles) await cp(at(`model/${file}`), at(`${name}/${file}`));
  }
});

describe("a model that scores", () => {
  test("keeps a head of one label, and gets another in the place of any other head", async () => {
    expect(await sequenceClassifier.labelsOf(at("score"), [])).toEqual(["score"]);
    for (const name of ["three", "tags", "model"]) {
      expect(await sequenceClassifier.labelsOf(at(name), []), name).toEqual(["LABEL_0"]);
    }
    expect((await sequenceClassifier.load(at("score"), options)).fresh).toEqual([]);
    expect((await sequenceClassifier.load(at("three"), options)).fresh).toEqual([
      "classifier.weight",
      "classifier.bias",
    ]);
    const shapes = await sequenceClassifier.describe(at("three"), ["LABEL_0"]);
    expect(shapes.parameters.find(({ name }) => name === "classifier.weight")?.shape).toEqual([1, 16]);
  });

  test("draws its head by the seed", async () => {
    const head = async (seed: number) => {
      const { model } = await sequenceClassifier.load(at("three"), { ...options, seed });
      const [, weight] = [...model.namedParameters()].find(([name]) => name === "classifier.weight")!;
      return [...(await weight.data())];
    };
    expect(await head(1)).toEqual(await head(1));
    expect(await head(1)).toHaveLength(16);
    expect(await head(1)).not.toEqual(await head(2));
  });
});

describe("a model that tags", () => {
  test("keeps its labels if they have all that are wanted", async () => {
    const labelsOf = (wanted: string[], name = "tags") => tokenClassifier.labelsOf(at(name), wanted);
    expect(await labelsOf(["B"])).toEqual(["O", "B"]);
    expect(await labelsOf(["B", "I"])).toEqual(["B", "I"]);
    expect(await labelsOf(["O"], "three")).toEqual(["O"]);
  });

  test("keeps the head of the same labels", async () => {
    const fresh = async (...labels: string[]) => (await tokenClassifier.load(at("tags"), { ...options, labels })).fresh;
    expect(await fresh("O", "B")).toEqual([]);
    expect(await fresh("B", "O")).toEqual(["classifier.weight", "classifier.bias"]);
    const shapes = await tokenClassifier.describe(at("tags"), ["a", "b", "c"]);
    expect(shapes.parameters.find(({ name }) => name === "classifier.weight")?.shape).toEqual([3, 16]);
  });
});

test("an encoder has no head, and is written with its tokenizer", async () => {
  const loaded = await encoder.load(at("three"), options);
  expect([loaded.fresh, loaded.padTokenId, await encoder.labelsOf(at("three"), ["a"])]).toEqual([[], 0, []]);
  await mkdir(at("encoder"));
  await loaded.save(await folderFiles(at("encoder")), "f16");
  expect((await readdir(at("encoder"))).sort()).toEqual(["config.json", "model.safetensors", ...tokenizerFiles]);
  const config = JSON.parse(await readFile(at("encoder/config.json"), "utf8"));
  expect([config.architectures, config.torch_dtype, config.model_type]).toEqual([undefined, "float16", "bert"]);
  expect((await loadEncoder(at("encoder"))).model.maxPositions).toBe(64);
  await expect(encoder.describe(at("model"), [])).rejects.toThrow(
    `--model ${at("model")} is a llama, which is not an encoder; give a BERT or a similar model`,
  );
});

test("tasks of heads take no GGUF file, no packed weights and no missing folder", async () => {
  await expect(sequenceClassifier.labelsOf("m.gguf", [])).rejects.toThrow(
    "--model m.gguf is a GGUF file, which this --task does not train; give the folder of the model",
  );
  await expect(sequenceClassifier.load(at("score"), { ...options, weights: "packed" })).rejects.toThrow(
    "--weights packed is for a GGUF file; leave it out",
  );
});

test("padding is that of the config, the tokenizer or the end of a text", async () => {
  const json = { pad_token_id: 7 };
  expect(await paddingOf(at("model"), { json, label: "" })).toBe(7);
  expect(await paddingOf(at("model"), { json: { pad_token_id: 0 }, label: "" })).toBe(0);
  // The tokenizer's end of a text is its token 1.
  expect(await paddingOf(at("model"), { json: {}, label: "" })).toBe(1);
  const own = JSON.parse(await readFile(at("model/tokenizer_config.json"), "utf8"));
  await writeFile(at("score/tokenizer_config.json"), JSON.stringify({ ...own, pad_token: "!" }));
  expect(await paddingOf(at("score"), { json: {}, label: "" })).toBe(2);
  await writeFile(at("score/tokenizer_config.json"), "{}");
  expect(await paddingOf(at("score"), { json: {}, label: "" })).toBe(0);
  expect((await decoder.load(at("model"), options)).padTokenId).toBe(1);
  const { model, config } = await loadModel(at("model"));
  const base = (tokenizer: object, generationConfig?: object) =>
    decoderBase({ model, config, tokenizer, generationConfig } as never).padTokenId;
  expect(base({ padTokenId: 3, eosTokenId: 4 }, { padTokenId: 5 })).toBe(3);
  expect(base({ padTokenId: null, eosTokenId: 4 }, { padTokenId: 5 })).toBe(5);
  expect([base({ padTokenId: null, eosTokenId: 4 }), base({ padTokenId: null, eosTokenId: null })]).toEqual([4, 0]);
});
