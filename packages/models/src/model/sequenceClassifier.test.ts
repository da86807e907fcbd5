import {
  backward,
  bytesSource,
  Generator,
  init,
  openSafetensors,
  randn,
  reference,
  scope,
  type Tensor,
  tensor,
  writeSafetensors,
} from "@lowrank/core";
import { memoryFiles } from "@lowrank/files";
import { Dropout, Parameter, quantize, type VirtualTokens } from "@lowrank/nn";
import { beforeAll, describe, expect, it } from "vitest";
import { loadSequenceClassifier } from "../checkpoint/loadEncoder.ts";
import { loadModel } from "../checkpoint/loadModel.ts";
import { modelFileContents } from "../checkpoint/saveModel.ts";
import { createModel } from "../registry/build/createModel.ts";
import { parseClassifierConfig } from "../registry/configs/modelConfig.ts";
import { randomParameters } from "./parameters.ts";
import type { SequenceClassifier } from "./sequenceClassifier.ts";

const sizes = { vocab_size: 13, hidden_size: 16, intermediate_size: 24, num_hidden_layers: 2, num_attention_heads: 4 };
const kinds = {
  bert: { model_type: "bert", ...sizes, max_position_embeddings: 24 },
  roberta: { model_type: "roberta", ...sizes, max_position_embeddings: 24, pad_token_id: 1 },
  llama: { model_type: "llama", ...sizes, max_position_embeddings: 24, pad_token_id: 0 },
  gpt2: { model_type: "gpt2", vocab_size: 13, n_positions: 24, n_embd: 16, n_layer: 2, n_head: 4, pad_token_id: 0 },
};

beforeAll(() => init(reference()));

const configOf = (kind: keyof typeof kinds, more: object = {}) =>
  parseClassifierConfig({ num_labels: 3, ...kinds[kind], ...more });

function make(kind: keyof typeof kinds, more: object = {}) {
  const draw = randomParameters(new Generator(1));
  return createModel(configOf(kind, more), (name, shape, start) =>
    draw(name, shape, "std" in start ? { std: 0.3 } : start),
  ).eval();
}

const ids = (values: number[][]): Tensor => tensor(values, { dtype: "i32" });
const mask = (values: number[][]): Tensor => tensor(values, { dtype: "u8" });
const largestDifference = (a: ArrayLike<number>, b: ArrayLike<number>) =>
  Math.max(...Array.from(a, (x, i) => Math.abs(x - b[i])));

describe.each(["bert", "roberta", "llama", "gpt2"] as const)("%s", (kind) => {
  const pad = kind === "roberta" ? 1 : 0;

  it("answers each sequence alone as in a padded batch", () => {
    const model = make(kind);
    const padded = model.forward({
      inputIds: ids([
        [4, 9, 2, 7],
        [5, 3, pad, pad],
      ]),
      attentionMask: mask([
        [1, 1, 1, 1],
        [1, 1, 0, 0],
      ]),
    }).logits;
    expect(padded.shape).toEqual([2, 3]);
    const alone = [[[4, 9, 2, 7]], [[5, 3]]].flatMap((row) => [
      ...model.forward({ inputIds: ids(row) }).logits.dataSync(),
    ]);
    expect(largestDifference(padded.dataSync(), alone)).toBeLessThan(1e-5);
    expect(largestDifference(alone.slice(0, 3), alone.slice(3))).toBeGreaterThan(1e-3);
  });

  it("has a loss for each problem, by PyTorch's formulas", () => {
    const inputIds = ids([
      [4, 9, 2],
      [5, 3, 8],
    ]);
    const single = make(kind);
    const logits = single.forward({ inputIds }).logits.dataSync();
    const rows = [0, 1].map((b) => Array.from(logits.slice(3 * b, 3 * b + 3)));
    const crossEntropy = (row: number[], label: number) =>
      Math.log(row.reduce((sum, x) => sum + Math.exp(x), 0)) - row[label];
    const labels = tensor([2, 0], { dtype: "i32" });
    expect(single.loss({ inputIds, labels }).itemSync()).toBeCloseTo(
      (crossEntropy(rows[0], 2) + crossEntropy(rows[1], 0)) / 2,
      5,
    );
    expect(single.forward({ inputIds, labels }).loss?.itemSync()).toBe(single.loss({ inputIds, labels }).itemSync());

    const multi = make(kind, { problem_type: "multi_label_classification" });
    const said = [
      [1, 0, 1],
      [0, 0, 1],
    ];
    const each = rows.flatMap((row, b) => row.map((x, i) => Math.log1p(Math.exp(said[b][i] === 1 ? -x : x))));
    expect(multi.loss({ inputIds, labels: tensor(said) }).itemSync()).toBeCloseTo(
      each.reduce((a, b) => a + b) / each.length,
      5,
    );

    const regression = make(kind, { num_labels: 1 });
    expect(regression.problemType).toBe("regression");
    const [a, b] = regression.forward({ inputIds }).logits.dataSync();
    expect(regression.loss({ inputIds, labels: tensor([0.5, -1]) }).itemSync()).toBeCloseTo(
      ((a - 0.5) ** 2 + (b + 1) ** 2) / 2,
      5,
    );
  });

  it("trains the same with its blocks checkpointed", () => {
    const gradients = (checkpointing: boolean) => {
      const model = make(kind).train();
      for (const [, module] of model.namedModules()) if (module instanceof Dropout) module.training = false;
      if (checkpointing) model.gradientCheckpointingEnable();
      const inputs = { inputIds: ids([[4, 9, 2, pad]]), attentionMask: mask([[1, 1, 1, 0]]) };
      scope(() => backward(model.loss({ ...inputs, labels: tensor([1], { dtype: "i32" }) })));
      return [...model.namedParameters()].map(([name, { grad }]) => [name, grad?.dataSync()]);
    };
    expect(gradients(true)).toEqual(gradients(false));
  });

  it.each(["embeddings", "cache"] as const)("takes virtual tokens as %s, beside padding too", (where) => {
    const model = make(kind);
    const { hiddenSize, layers, keyValueHeads, headDim } = model.attentionSizes;
    const shape = where === "cache" ? [2, layers, 2, keyValueHeads, headDim] : [2, hiddenSize];
    const rows = new Parameter(randn(shape, { generator: new Generator(7) }));
    const bare = model.forward({ inputIds: ids([[4, 9]]) }).logits.dataSync();
    const virtual: VirtualTokens = { kind: where, count: 2, rows: () => rows };
    model.virtualTokens = virtual;
    const alone = model.forward({ inputIds: ids([[4, 9]]) }).logits.dataSync();
    const padded = model.forward({ inputIds: ids([[4, 9, pad]]), attentionMask: mask([[1, 1, 0]]) }).logits.dataSync();
    expect(largestDifference(alone, bare)).toBeGreaterThan(1e-3);
    expect(largestDifference(alone, padded)).toBeLessThan(1e-5);
    scope(() => backward(model.loss({ inputIds: ids([[4, 9]]), labels: tensor([1], { dtype: "i32" }) })));
    expect(Math.max(...rows.grad!.dataSync().map(Math.abs))).toBeGreaterThan(1e-4);
  });

  it("is saved and loaded, in 4 bits too, all but its head", async () => {
    const config = configOf(kind, { id2label: { "0": "no", "1": "yes", "2": "both" } });
    const model = make(kind);
    const files = memoryFiles(await modelFileContents(model, config));
    const again = await loadSequenceClassifier(files);
    expect(again.config).toEqual(config);
    const answer = (of: typeof model) => of.forward({ inputIds: ids([[4, 9, 2]]) }).logits.dataSync();
    expect(answer(again.model)).toEqual(answer(model));
    const packed = await loadSequenceClassifier(files, { quantize: {} });
    await quantize(model, {});
    expect(answer(packed.model)).toEqual(answer(model));
    expect(packed.quantization?.skipped.map(({ path }) => path)).toEqual(
      { bert: ["classifier"], roberta: ["classifier.out_proj"], llama: ["score"], gpt2: ["score"] }[kind],
    );
    await expect(loadModel(files)).rejects.toThrow("load it with loadSequenceClassifier");
  });
});

/** Returns a checkpoint's files with renamed tensors; null omits a tensor. */
async function renamed(files: ReadonlyMap<string, Uint8Array | string>, rename: (name: string) => string | null) {
  const file = await openSafetensors(bytesSource(files.get("model.safetensors") as Uint8Array), "test");
  const entries = [];
  for (const name of file.names()) {
    const now = rename(name);
    if (now !== null) entries.push({ name: now, ...(await file.read(name)) });
  }
  return memoryFiles(new Map([...files, ["model.safetensors", writeSafetensors(entries)]]));
}

describe.each(["bert", "roberta", "llama", "gpt2"] as const)("a %s checkpoint", (kind) => {
  const stack = { bert: "bert.", roberta: "roberta.", llama: "model.", gpt2: "transformer." }[kind];
  const answer = (model: SequenceClassifier) => model.forward({ inputIds: ids([[4, 9, 2]]) }).logits.dataSync();

  it("loads without its stack's name, and with TensorFlow's names of norms", async () => {
    const model = make(kind);
    const files = await renamed(await modelFileContents(model, configOf(kind)), (name) =>
      name
        .replace(stack, "")
        .replace(/LayerNorm\.weight$/, "LayerNorm.gamma")
        .replace(/LayerNorm\.bias$/, "LayerNorm.beta"),
    );
    expect(answer((await loadSequenceClassifier(files)).model)).toEqual(answer(model));
  });

  it("gets a head for other labels, and keeps what lies below", async () => {
    const model = make(kind);
    const contents = await modelFileContents(model, configOf(kind));
    const files = await renamed(contents, (name) => (/pooler|^classifier|^score/.test(name) ? null : name));
    await expect(loadSequenceClassifier(files)).rejects.toThrow("is missing");
    const newHead = { labels: ["no", "yes"], generator: new Generator(3) };
    const { model: fresh, config, freshParameters } = await loadSequenceClassifier(files, { newHead });
    expect(config.labels).toEqual(["no", "yes"]);
    expect(answer(fresh)).toHaveLength(2);
    const before = model.stateDict();
    for (const [name, value] of fresh.stateDict()) {
      if (!freshParameters.includes(name)) expect(value.dataSync()).toEqual(before.get(name)?.dataSync());
    }
    expect(freshParameters.every((name) => /pooler|^classifier|^score/.test(name))).toBe(true);
    expect(freshParameters.length).toBe({ bert: 4, roberta: 4, llama: 1, gpt2: 1 }[kind]);
    const again = await loadSequenceClassifier(memoryFiles(contents), { newHead: { labels: 1 } });
    expect(again.model.problemType).toBe("regression");
    await expect(loadSequenceClassifier(files, { newHead: { labels: 0 } })).rejects.toThrow("give at least one");
  });
});

it("a label of -100 is ignored", () => {
  const model = make("bert");
  const [both, one] = [
    ids([
      [4, 9],
      [1, 2],
    ]),
    ids([[1, 2]]),
  ];
  const loss = (inputIds: Tensor, labels: number[]) =>
    model.loss({ inputIds, labels: tensor(labels, { dtype: "i32" }) }).itemSync();
  expect(loss(both, [-100, 1])).toBeCloseTo(loss(one, [1]), 6);
});

it("BERT knows which of two texts a token belongs to", () => {
  const model = make("bert");
  const inputIds = ids([[4, 9, 2]]);
  const answer = (tokenTypeIds?: Tensor) => model.forward({ inputIds, tokenTypeIds }).logits.dataSync();
  expect(answer(ids([[0, 0, 0]]))).toEqual(answer());
  expect(largestDifference(answer(ids([[0, 1, 1]])), answer())).toBeGreaterThan(1e-4);
});

it.each([
  [{ hidden_size: 10 }, "num_attention_heads is 4; expected a divisor of hidden_size 10"],
  [{ position_embedding_type: "relative_key" }, "position_embedding_type"],
  [{ is_decoder: true }, "is_decoder is true"],
  [{ problem_type: "other" }, "problem_type"],
  [{ id2label: { "1": "yes" } }, "id2label"],
  [{ hidden_dropout_prob: 1 }, "hidden_dropout_prob is 1"],
])("a config with %o is refused", (more, message) => {
  expect(() => configOf("bert", more)).toThrow(message);
});

it("a GPT-2 without padding answers one sequence at a time", () => {
  const model = make("gpt2", { pad_token_id: null });
  expect(model.forward({ inputIds: ids([[4, 9]]) }).logits.shape).toEqual([1, 3]);
  expect(() =>
    model.forward({
      inputIds: ids([
        [4, 9],
        [1, 2],
      ]),
    }),
  ).toThrow("no pad_token_id");
});
