import { copyInto, Generator, init, noGrad, reference, tensor } from "@lowrank/core";
import { memoryFiles } from "@lowrank/files";
import {
  createModel,
  loadTokenClassifier,
  parseTokenClassifierConfig,
  randomParameters,
  saveModel,
  type TokenClassifier,
} from "@lowrank/models";
import { getPeftModel, LoraConfig, PromptTuningConfig } from "@lowrank/peft";
import { beforeEach, describe, expect, it } from "vitest";
import { collate } from "../data/batches/collate.ts";
import { toInputs } from "../data/batches/modelBatch.ts";
import { tokenizeTags } from "../data/tokens/tokenize.ts";
import { evaluate } from "../evaluation/evaluate.ts";
import { entitiesOf, entityMetrics } from "../evaluation/metrics/metrics.ts";
import data from "../testing/tokenClassification.json" with { type: "json" };
import { Trainer } from "./trainer.ts";

beforeEach(() => init(reference()));

const { batchSize, rows, padTokenId, labels: names } = data;
type Kind = keyof typeof data.cases;

const configOf = (kind: Kind) => parseTokenClassifierConfig({ model_type: kind, ...data.cases[kind].config });

function model(kind: Kind): TokenClassifier {
  const config = configOf(kind);
  const made = createModel(config, randomParameters(new Generator(1)));
  const parameters = [...made.namedParameters()].sort(([a], [b]) => (a < b ? -1 : 1));
  for (const [place, [name, parameter]] of parameters.entries()) {
    const values = Float32Array.from({ length: parameter.size }, (_, i) => {
      const value = (((i * 7919 + place * 104729) % 1009) / 504 - 1) * 0.3;
      return /norm.*weight$/i.test(name) ? 1 + value / 3 : value;
    });
    using written = tensor(values, { shape: parameter.shape });
    noGrad(() => copyInto(parameter, written));
  }
  return made;
}

const training = { batchSize, shuffle: false, schedule: "constant", learningRate: 1e-2, maxSteps: 8 } as const;

describe.each(Object.keys(data.cases) as Kind[])("%s", (kind) => {
  const expected = data.cases[kind];

  it("has transformers' tensors, logits, and losses and gradients of 8 steps", async () => {
    const made = model(kind);
    expect([...made.namedParameters()].map(([name]) => name).sort()).toEqual(expected.names);
    const batch = collate(rows.slice(0, batchSize), { padTokenId });
    const { labels: _, ...inputs } = toInputs(batch, made);
    const logits = made.eval().forward(inputs).logits.dataSync();
    expect(logits).toHaveLength(expected.logits.length);
    // Outputs at padding are undefined; in transformers' DeBERTa, padding attends to all tokens equally.
    for (const [i, value] of logits.entries()) {
      if (batch.attentionMask[Math.floor(i / names.length)] === 1)
        expect(Math.abs(value - expected.logits[i])).toBeLessThan(1e-5);
    }
    const norms: number[] = [];
    const onStep = ({ gradNorm }: { gradNorm: number }) => void norms.push(gradNorm);
    const { losses } = await new Trainer(made, rows, { ...training, onStep }).train();
    for (const [i, loss] of losses.entries()) {
      expect(Math.abs(loss - expected.losses[i]), `loss of step ${i + 1}`).toBeLessThan(1e-4);
      expect(Math.abs(norms[i] - expected.norms[i]), `norm of step ${i + 1}`).toBeLessThan(1e-3 * expected.norms[i]);
    }
  });

  it("is saved and loaded as transformers does, and gets a new head", async () => {
    const made = model(kind);
    const files = memoryFiles();
    await saveModel(made, configOf(kind), files);
    const json = JSON.parse(await files.readText("config.json"));
    expect(json.architectures[0]).toMatch(/^(Bert|Roberta|DistilBert|ModernBert|DebertaV2)ForTokenClassification$/);
    const { model: again, freshParameters } = await loadTokenClassifier(files);
    expect(freshParameters).toEqual([]);
    const inputIds = tensor([[5, 6, 7]], { dtype: "i32" });
    expect(again.logits({ inputIds }).dataSync()).toEqual(made.eval().logits({ inputIds }).dataSync());
    const fresh = await loadTokenClassifier(files, { newHead: { labels: ["O", "B-X", "I-X"] } });
    const head = expected.names.filter((name) => /^(classifier|head)\./.test(name));
    expect(fresh.freshParameters.toSorted()).toEqual(head);
    expect(fresh.model.logits({ inputIds }).shape).toEqual([1, 3, 3]);
  });
});

it("LoRA with its head learns tags, which evaluations measure by entities; accumulation is exact", async () => {
  const tagged = Array.from({ length: 16 }, (_, i) => {
    const inputIds = Array.from({ length: 4 + (i % 3) }, (_, t) => 2 + ((5 * i + 3 * t) % 20));
    return { inputIds, labels: inputIds.map((id, t) => (t === 0 ? -100 : id < 8 ? 1 : id < 12 ? 3 : 0)) };
  });
  const adapted = async () =>
    getPeftModel(model("bert"), new LoraConfig({ r: 4, taskType: "TOKEN_CLS", targetModules: ["query", "value"] }));
  const peft = await adapted();
  const settings = { batchSize: 8, learningRate: 3e-2, maxSteps: 40, evaluation: { examples: tagged } };
  const { evaluations } = await new Trainer(peft, tagged, settings).train();
  const [before, after] = evaluations.map((one) => one.evaluation);
  expect(before.labels).toBe(tagged.reduce((sum, { labels }) => sum + labels.length - 1, 0));
  expect(Object.keys(before)).toEqual(["loss", "perplexity", "labels", "accuracy", "precision", "recall", "f1"]);
  expect(after.f1).toBeGreaterThan(before.f1! + 0.3);
  expect(after.accuracy).toBeGreaterThan(0.9);
  const losses = [];
  for (const [size, gradientAccumulationSteps] of [
    [16, 1],
    [4, 4],
  ]) {
    const parts = { batchSize: size, gradientAccumulationSteps, shuffle: false, maxSteps: 2, learningRate: 1e-2 };
    losses.push((await new Trainer(await adapted(), tagged, parts).train()).losses);
  }
  for (const i of [0, 1]) expect(losses[1][i]).toBeCloseTo(losses[0][i], 5);
});

it("answers for tokens alone where virtual ones stand before them", async () => {
  const config = new PromptTuningConfig({ numVirtualTokens: 3, taskType: "TOKEN_CLS" });
  const peft = await getPeftModel(model("bert"), config);
  expect((await evaluate(peft, rows, { batchSize: 8 })).labels).toBe(
    rows.flatMap(({ labels }) => labels).filter((label) => label !== -100).length,
  );
});

describe("entities", () => {
  it("are scored as seqeval does", () => {
    const labels = [...new Set(data.tags.flat(2))];
    const ids = (side: 0 | 1) => data.tags.map((pair) => Int32Array.from(pair[side], (tag) => labels.indexOf(tag)));
    const measured = entityMetrics({ labelIds: ids(0), predictions: ids(1) }, labels);
    for (const [name, value] of Object.entries(data.scores)) expect(measured[name]).toBeCloseTo(value, 12);
  });

  it("begin and end as labels say; others have accuracy alone", () => {
    expect([...entitiesOf(["B-PER", "I-PER", "O", "I-LOC", "B-LOC"])]).toEqual(["PER 0 1", "LOC 3 3", "LOC 4 4"]);
    const answers = { labelIds: [Int32Array.of(0, 1)], predictions: [Int32Array.of(0, 0)] };
    expect(entityMetrics(answers, ["NOUN", "VERB"])).toEqual({ accuracy: 0.5 });
  });
});

it("words have their label on their first token, special tokens none", () => {
  const tokenizer = {
    encode: (text: string, { addSpecialTokens = true } = {}) => {
      const ids = [...text.trim()].map((letter) => letter.charCodeAt(0));
      return addSpecialTokens ? [1, ...ids, 2] : ids;
    },
  };
  expect(tokenizeTags(tokenizer, { words: ["ab", "c", "def"], tags: [4, 0, names.length] })).toEqual({
    inputIds: [1, 97, 98, 99, 100, 101, 102, 2],
    labels: [-100, 4, -100, 0, 5, -100, -100, -100],
  });
  expect(() => tokenizeTags(tokenizer, { words: ["a"], tags: [] })).toThrow("1 words but 0 tags");
});
