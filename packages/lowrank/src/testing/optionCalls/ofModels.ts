import { complete, generatePairs } from "@lowrank/nano";
import * as lowrank from "../../index.gen.ts";
import { tinyConfig, tinyFiles, tinyLlama } from "../tinyLlama.ts";
import type { OptionCalls, Untyped } from "./optionCall.ts";

const L: Untyped = lowrank;
const ids = () => lowrank.tensor([[1, 2]], { dtype: "i32" });
const files = async () => lowrank.memoryFiles(await tinyFiles());
const tokenizer = async (): Promise<Untyped> => lowrank.Tokenizer.fromFiles(await files());
const model: () => Untyped = tinyLlama;
const classifier = async (): Promise<Untyped> =>
  (await lowrank.loadSequenceClassifier(await files(), { newHead: { labels: 2 } })).model;

const tagger = (): Untyped => {
  const config = { model_type: "bert", vocab_size: 8, hidden_size: 8, num_hidden_layers: 1, num_attention_heads: 1 };
  const sizes = { ...config, intermediate_size: 8, max_position_embeddings: 8 };
  const draw = lowrank.randomParameters(new lowrank.Generator(1));
  return lowrank.createModel(lowrank.parseTokenClassifierConfig(sizes), draw);
};

/** Calls of models and nano. */
export const ofModels: OptionCalls = {
  generatePairs: (o) => generatePairs({ language: "lua", split: "test", count: 1, seed: 1, ...o }),
  complete: async (o) => (complete as Untyped)(model(), await tokenizer(), [], o),
  "TokenClassifier#hidden": async (o) => tagger().hidden({ inputIds: ids(), ...o }),
  "TokenClassifier#logits": async (o) => tagger().logits({ inputIds: ids(), ...o }),
  "TokenClassifier#forward": async (o) => tagger().forward({ inputIds: ids(), ...o }),
  "TokenClassifier#loss": async (o) => tagger().loss({ inputIds: ids(), labels: ids(), ...o }),
  "SequenceClassifier#hidden": async (o) => (await classifier()).hidden({ inputIds: ids(), ...o }),
  "SequenceClassifier#logits": async (o) => (await classifier()).logits({ inputIds: ids(), ...o }),
  "SequenceClassifier#forward": async (o) => (await classifier()).forward({ inputIds: ids(), ...o }),
  "SequenceClassifier#loss": async (o) => (await classifier()).loss({ inputIds: ids(), labels: ids(), ...o }),
  "CausalLM#hidden": (o) => model().hidden({ inputIds: ids(), ...o }),
  "CausalLM#forward": (o) => model().forward({ inputIds: ids(), ...o }),
  "CausalLM#loss": (o) => model().loss({ inputIds: ids(), labels: ids(), ...o }),
  "CausalLM#nextLogits": (o) => model().nextLogits({ inputIds: ids(), ...o }),
  "loadSequenceClassifier: newHead": async (o) =>
    L.loadSequenceClassifier(await files(), { newHead: { labels: 2, ...o } }),
  describeConfig: (o) => L.describeConfig({}, o),
  generate: (o) => L.generate(model(), [[1]], o),
  generateText: async (o) => L.generateText(model(), await tokenizer(), "one", o),
  streamText: async (o) => L.streamText(model(), await tokenizer(), "one", o).next(),
  fromGguf: (o) => L.fromGguf(null, o),
  toGguf: async (o) => L.toGguf(await files(), o),
  "loadModel: quantize": async (o) => L.loadModel(await files(), { quantize: o }),
  loadModel: async (o) => L.loadModel(await files(), o),
  loadEncoder: async (o) => L.loadEncoder(await files(), o),
  loadTokenClassifier: async (o) => L.loadTokenClassifier(await files(), o),
  loadSequenceClassifier: async (o) => L.loadSequenceClassifier(await files(), o),
  saveModel: (o) => L.saveModel(model(), "folder", tinyConfig, o),
  loadSafetensors: async (o) => L.loadSafetensors(model(), await lowrank.toSafetensors(model()), o),
  "new StreamDecoder": async (o) => new L.StreamDecoder(await tokenizer(), o),
  "Tokenizer#encode": async (o) => (await tokenizer()).encode("one", o),
  "Tokenizer#decode": async (o) => (await tokenizer()).decode([1], o),
  "Tokenizer#applyChatTemplate": async (o) => (await tokenizer()).applyChatTemplate([], o),
  toHfConfig: (o) => L.toHfConfig(tinyConfig, o),
};
