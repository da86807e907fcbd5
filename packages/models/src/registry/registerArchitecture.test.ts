import { Generator, init, reference, type Tensor, writeSafetensors } from "@lowrank/core";
import { memoryFiles } from "@lowrank/files";
import { Module, type UnaryModule } from "@lowrank/nn";
import { beforeAll, expect, test } from "vitest";
import { toGguf } from "../checkpoint/gguf/toGguf.ts";
import { loadModel } from "../checkpoint/loadModel.ts";
import { modelFileContents } from "../checkpoint/saveModel.ts";
import type { ModelConfig } from "../config/architectureConfig.ts";
import { ggufBytes } from "../gguf/testing/ggufBytes.ts";
import { type Architecture, defineArchitecture } from "../model/architecture.ts";
import { CausalLM, type ModelInputs } from "../model/causalLM.ts";
import { outputLayer, ParameterPath, type ParameterSource, randomParameters } from "../model/parameters.ts";
import { createModel, describeModel } from "./build/createModel.ts";
import { parseModelConfig } from "./configs/modelConfig.ts";
import { presetConfig } from "./configs/presets.ts";
import { registerArchitecture } from "./registerArchitecture.ts";

interface BigramConfig extends ModelConfig {
  width: number;
}

class Table extends Module {
  table: UnaryModule;

  constructor({ vocabSize, width }: BigramConfig, source: ParameterSource) {
    super();
    this.table = new ParameterPath(source, "bigram").embedding("table", vocabSize, width);
  }
}

/** A minimal language model: the next token depends only on the last one. */
class BigramForCausalLM extends CausalLM {
  readonly config: BigramConfig;
  bigram: Table;
  lm_head: UnaryModule;

  constructor(config: BigramConfig, source: ParameterSource) {
    const attention = { layers: 1, attentionHeads: 1, keyValueHeads: 1, headDim: 1 };
    super({ vocabSize: config.vocabSize, maxPositions: 8, attentionSizes: { hiddenSize: config.width, ...attention } });
    this.config = config;
    this.bigram = new Table(config, source);
    this.lm_head = outputLayer(source, this.bigram.table, config.tieWordEmbeddings);
  }

  hidden({ inputIds }: ModelInputs): Tensor {
    return this.bigram.table.forward(inputIds);
  }
}

const bigram: Architecture<BigramConfig> = defineArchitecture({
  modelType: "acme-bigram",
  readConfig: (fields) => ({
    modelType: "acme-bigram",
    vocabSize: fields.integer("vocab_size", 11),
    width: fields.integer("width", 4),
    tieWordEmbeddings: fields.boolean("tie_word_embeddings", false),
    bosTokenId: null,
    eosTokenIds: [],
    padTokenId: null,
  }),
  writeConfig: ({ width, vocabSize, tieWordEmbeddings }) => ({
    width,
    vocab_size: vocabSize,
    tie_word_embeddings: tieWordEmbeddings,
  }),
  heads: {
    causalLM: {
      className: "BigramForCausalLM",
      module: "lm_head",
      create: (config, source) => new BigramForCausalLM(config, source),
    },
  },
  stack: "bigram",
  // An old name of the table.
  sanitize: (name) => (name === "bigram.old.weight" ? "bigram.table.weight" : name),
  gguf: async () => ({
    architecture: "bigram",
    readConfig: ({ metadata, key }) => ({ width: metadata.integer(key("width")) }),
    metadata: ({ width }) => ({ width: { type: "u32", value: width } }),
    tensors: ({ vocabSize, width }) => [
      { hf: "bigram.table.weight", gguf: "token_embd.weight", shape: [vocabSize, width] },
    ],
  }),
  defaultTargets: { linear: ["lm_head"] },
  presets: { "bigram-tiny": { width: 2 } },
});

registerArchitecture(bigram);

beforeAll(() => init(reference()));

const config = parseModelConfig({ model_type: "acme-bigram", width: 6 });
const newModel = () => createModel(config, randomParameters(new Generator(1)));

test("is read, described and made as those that are known from the start", () => {
  expect(config).toMatchObject({ width: 6, vocabSize: 11 });
  expect(describeModel(config)).toMatchObject({
    modelType: "acme-bigram",
    head: "lm_head",
    parameterCount: 2 * 6 * 11,
  });
  expect(newModel()).toBeInstanceOf(BigramForCausalLM);
  expect(newModel().defaultTargets).toEqual({ linear: ["lm_head"] });
  expect(presetConfig("bigram-tiny")).toMatchObject({ modelType: "acme-bigram", width: 2 });
});

test("is saved, and read back under old names and without the stack's", async () => {
  const model = newModel();
  const contents = await modelFileContents(model, config);
  expect(JSON.parse(contents.get("config.json") as string)).toEqual({
    architectures: ["BigramForCausalLM"],
    model_type: "acme-bigram",
    tie_word_embeddings: false,
    torch_dtype: "float32",
    vocab_size: 11,
    width: 6,
  });
  const [table, head] = [...model.parameters()];
  const named = async (name: string, tensor: Tensor) => {
    return { name, shape: tensor.shape, dtype: "f32" as const, bytes: await tensor.bytes() };
  };
  for (const name of ["bigram.old.weight", "bigram.table.weight", "table.weight"]) {
    const weights = writeSafetensors([await named(name, table), await named("lm_head.weight", head)]);
    const folder = memoryFiles({ "config.json": contents.get("config.json")!, "model.safetensors": weights });
    const loaded = await loadModel(folder);
    expect([...loaded.model.stateDict().keys()]).toEqual(["bigram.table.weight", "lm_head.weight"]);
    expect(await loaded.model.stateDict().get("bigram.table.weight")!.data()).toEqual(await table.data());
  }
});

test("is written as GGUF and read back", async () => {
  const model = newModel();
  const bytes = await ggufBytes(await toGguf(memoryFiles(await modelFileContents(model, config)), { dtype: "f32" }));
  const loaded = await loadModel(new File([bytes], "a.gguf"));
  expect(loaded.config).toMatchObject({ modelType: "acme-bigram", width: 6 });
  expect(await loaded.model.stateDict().get("lm_head.weight")!.data()).toEqual(
    await model.stateDict().get("lm_head.weight")!.data(),
  );
});

test("a second architecture of one name, and one that nobody registered, are errors that name it", () => {
  registerArchitecture(bigram);
  expect(() => registerArchitecture({ ...bigram })).toThrow('there is an architecture "acme-bigram" already');
  const stray = { ...config, modelType: "acme-bigrams" };
  expect(() => createModel(stray, randomParameters(new Generator(1)))).toThrow(
    'there is no architecture "acme-bigrams"; did you mean acme-bigram? known are',
  );
});
