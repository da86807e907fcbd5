import * as lowrank from "../../index.gen.ts";
import { tinyLlama } from "../tinyLlama.ts";
import { callsWith, type OptionCalls, type Untyped } from "./optionCall.ts";

const L: Untyped = lowrank;
const examples = [{ inputIds: [1, 2], labels: [1, 2] }];
const training = { padTokenId: 0, batchSize: 1 };

/** Calls of train. */
export const ofTrain: OptionCalls = {
  ...callsWith(L, "embed, evaluateContrast, evaluateRewards, evaluatePreferences", () => [tinyLlama(), []], {
    padTokenId: 0,
  }),
  ...callsWith(L, "dpo, orpo, kto, reward, multipleNegativesRanking", () => [], { padTokenId: 0 }),
  ...callsWith(L, "answerPrompts, measurePerplexity", () => [tinyLlama(), {}, []]),
  "new BatchSampler": (o) => new L.BatchSampler(2, { batchSize: 1, ...o }),
  collate: (o) => L.collate(examples, { padTokenId: 0, ...o }),
  collateSequences: (o) => L.collateSequences([{ inputIds: [1], label: 1 }], { padTokenId: 0, ...o }),
  loadDataset: (o) => L.loadDataset("x", o),
  readRecords: (o) => L.readRecords("x.jsonl", L.exampleForm, o).next(),
  streamBlocks: (o) => L.streamBlocks([], {}, { cacheDir: "x", blockSize: 2, ...o }),
  indexDataset: (o) => L.indexDataset("x.jsonl", { cacheDir: "x", ...o }),
  streamDataset: (o) => L.streamDataset("x.jsonl", {}, { cacheDir: "x", ...o }),
  readDataset: (o) => L.readDataset("x", o).next(),
  distillCartridge: (o) => L.distillCartridge(tinyLlama(), { text: "", tokenizer: { encode: () => [] }, ...o }),
  evaluate: (o) => L.evaluate(tinyLlama(), examples, { ...training, ...o }),
  findLearningRate: (o) => L.findLearningRate(tinyLlama(), examples, { ...training, ...o }),
  blocks: (o) => L.blocks([1], { blockSize: 1, ...o }),
  packExamples: (o) => L.packExamples(examples, { blockSize: 2, ...o }),
  trainingSteps: (o) => L.trainingSteps(2, o),
  distillation: (o) => L.distillation({ padTokenId: 0, teacher: tinyLlama(), ...o }),
  "Trainer#resume": (o) => new L.Trainer(tinyLlama(), examples, { ...training, learningRate: 1 }).resume("nowhere", o),
  "new Trainer": (o) => new L.Trainer(tinyLlama(), examples, { ...training, ...o }),
  "new Trainer: evaluation": (o) =>
    new L.Trainer(tinyLlama(), examples, { ...training, evaluation: { examples, ...o } }),
  "new Trainer: checkpoints": (o) =>
    new L.Trainer(tinyLlama(), examples, { ...training, checkpoints: { folder: "x", every: 1, ...o } }),
};
