import { embedding, init, reference, reshape, slice, type Tensor, tensor, zeros } from "@lowrank/core";
import { memoryFiles } from "@lowrank/files";
import { Embedding, Parameter } from "@lowrank/nn";
import { beforeAll, describe, expect, test } from "vitest";
import { sanitizeBert } from "../architectures/bert/model.ts";
import { loadEncoder, loadTokenClassifier } from "../checkpoint/loadEncoder.ts";
import { modelFileContents } from "../checkpoint/saveModel.ts";
import type { ParameterSource } from "../model/parameters.ts";
import { createModel, describeConfig, describeModel } from "../registry/build/createModel.ts";
import { parseClassifierConfig, parseTokenClassifierConfig } from "../registry/configs/modelConfig.ts";
import { filled } from "../testing/waveWeights.ts";

beforeAll(() => init(reference()));

const sizes = {
  ...{ vocab_size: 19, hidden_size: 8, intermediate_size: 12, num_hidden_layers: 2, num_attention_heads: 2 },
  ...{ dim: 8, hidden_dim: 12, n_layers: 2, n_heads: 2, pad_token_id: 0, max_position_embeddings: 80, num_labels: 3 },
};
const relative = { relative_attention: true, pos_att_type: "c2p|p2c", position_buckets: 4, type_vocab_size: 2 };
const kinds: Record<string, object> = {
  bert: { model_type: "bert" },
  roberta: { model_type: "roberta", type_vocab_size: 2 },
  distilbert: { model_type: "distilbert" },
  modernbert: { model_type: "modernbert", local_attention: 8 },
  "modernbert with the mean": { model_type: "modernbert", local_attention: 8, classifier_pooling: "mean" },
  "deberta-v2": { model_type: "deberta-v2", ...relative },
};
/** The layers between the encoder and the logits of a classifier of sequences. */
const heads: Record<string, string[]> = {
  bert: ["bert.pooler.dense", "classifier"],
  roberta: ["classifier.dense", "classifier.out_proj"],
  distilbert: ["pre_classifier", "classifier"],
  modernbert: ["head.dense", "head.norm", "classifier"],
  "deberta-v2": ["pooler.dense", "classifier"],
};

const ids = (rows: number[][]): Tensor => tensor(rows, { dtype: "i32" });
const jsonOf = (kind: string): { model_type: string } => ({ ...sizes, ...kinds[kind] }) as never;
const newModel = (kind: string) =>
  filled((source) => createModel(parseClassifierConfig(jsonOf(kind)), source as ParameterSource)).eval();

function expectNear(found: Tensor, expected: Tensor): void {
  const [a, b] = [found.dataSync(), expected.dataSync()];
  expect(a.length).toBe(b.length);
  for (const [i, x] of b.entries()) expect(a[i]).toBeCloseTo(Number(x), 4);
}

describe.each(Object.keys(kinds))("%s", (kind) => {
  const { model_type } = jsonOf(kind);

  test("one virtual token is as a token with its embedding, beside padding and segments too", () => {
    const model = newModel(kind);
    const segments = kind === "bert" || kind === "deberta-v2";
    const inputs = (rows: number[][], types: number[][], seen: number[][]) => ({
      inputIds: ids(rows),
      attentionMask: tensor(seen, { dtype: "u8" }),
      ...(segments && { tokenTypeIds: ids(types) }),
    });
    const whole = model.logits(inputs([[4, 9, 2]], [[0, 1, 1]], [[1, 1, 1]]));
    const table = [...model.namedModules()].find(([, module]) => module instanceof Embedding)?.[1] as Embedding;
    const rows = () => reshape(embedding(table.weight, ids([[4]])), [1, 8]);
    model.virtualTokens = { kind: "embeddings", count: 1, rows };
    expectNear(model.logits(inputs([[9, 2]], [[1, 1]], [[1, 1]])), whole);
    expectNear(model.logits(inputs([[9, 2, 0]], [[1, 1, 0]], [[1, 1, 0]])), whole);
    const plain = model.logits({ inputIds: ids([[9, 2]]) });
    model.virtualTokens = null;
    expectNear(plain, model.logits({ inputIds: ids([[4, 9, 2]]) }));
  });

  test("a classifier of tokens has the same logits behind one virtual token, and is loaded as it was saved", async () => {
    const config = parseTokenClassifierConfig(jsonOf(kind));
    const model = filled((source) => createModel(config, source as ParameterSource)).eval();
    const whole = model.logits({ inputIds: ids([[4, 9, 2]]) });
    expect(whole.shape).toEqual([1, 3, 3]);
    const table = [...model.namedModules()].find(([, module]) => module instanceof Embedding)?.[1] as Embedding;
    model.virtualTokens = {
      kind: "embeddings",
      count: 1,
      rows: () => reshape(embedding(table.weight, ids([[4]])), [1, 8]),
    };
    expectNear(model.logits({ inputIds: ids([[9, 2]]) }), slice(whole, { dim: 1, start: 1 }));
    model.virtualTokens = null;
    const files = memoryFiles(await modelFileContents(model, config));
    const loaded = await loadTokenClassifier(files);
    expect(loaded.config).toEqual(config);
    expect(loaded.model.logits({ inputIds: ids([[4, 9, 2]]) }).dataSync()).toEqual(whole.dataSync());
    const encoder = await loadEncoder(files);
    const inputs = { inputIds: ids([[4, 9, 2]]) };
    expect(encoder.model.forward(inputs).dataSync()).toEqual(model.hidden(inputs).dataSync());
  });

  test("positions that count from the first token are the default, in a long text too", () => {
    const model = newModel(kind);
    const text = Array.from({ length: 70 }, (_, i) => 1 + ((5 * i) % 18));
    const first = kind === "roberta" ? 1 : 0;
    const positionIds = ids([text.map((_, i) => first + i)]);
    const inputIds = ids([text]);
    const logits = model.logits({ inputIds });
    expect(logits.dataSync().every(Number.isFinite)).toBe(true);
    expectNear(model.logits({ inputIds, positionIds, maxPosition: 70 } as never), logits);
  });

  test("each class of model has the layers of transformers' class", () => {
    const linear = (layers: readonly { path: string }[]) =>
      layers
        .map(({ path }) => path)
        .filter((path) => !/embeddings|layers?\.\d|^\w+\.final_norm$|^final_norm$/.test(path));
    const json = jsonOf(kind);
    const own = ({ bert: "bert", roberta: "roberta" } as Record<string, string>)[model_type];
    expect(linear(describeConfig({ ...json, architectures: ["Model"] }).layers)).toEqual(own ? ["pooler.dense"] : []);
    expect(linear(describeModel(parseClassifierConfig(json)).layers)).toEqual(heads[model_type]);
    const tokens = describeModel(parseTokenClassifierConfig(json));
    const between = model_type === "modernbert" ? ["head.dense", "head.norm"] : [];
    expect(linear(tokens.layers)).toEqual([...between, "classifier"]);
    const made = filled((source) => createModel(parseTokenClassifierConfig(json), source as ParameterSource));
    expect(made.maxPositions).toBe(kind === "roberta" ? 79 : 80);
  });
});

test("a DeBERTa with the least sizes has a table of positions, segments and a convolution", () => {
  const least = { type_vocab_size: 1, conv_kernel_size: 1, position_buckets: 1, norm_rel_ebd: "layer_norm" };
  const starts = new Map<string, unknown>();
  const config = parseClassifierConfig({ ...jsonOf("deberta-v2"), ...least });
  const { parameters, build } = describeModel(config);
  build((name, shape, start) => {
    starts.set(name, start);
    return new Parameter(zeros(shape));
  });
  const shapes = new Map(parameters.map(({ name, shape }) => [name.replace("deberta.", ""), shape]));
  expect(shapes.get("encoder.rel_embeddings.weight")).toEqual([2, 8]);
  expect(shapes.get("embeddings.token_type_embeddings.weight")).toEqual([1, 8]);
  expect(shapes.get("encoder.conv.conv.weight")).toEqual([8, 8, 1]);
  expect(starts.get("deberta.encoder.conv.conv.bias")).toEqual({ value: 0 });
});

test("a language model is no encoder", async () => {
  const config = parseClassifierConfig({ model_type: "llama", ...sizes, num_key_value_heads: 2 });
  const model = filled((source) => createModel(config, source as ParameterSource));
  const loading = loadEncoder(memoryFiles(await modelFileContents(model, config), "a folder"));
  await expect(loading).rejects.toThrow("a folder is a llama, which is not an encoder; give a BERT or a similar model");
});

test("TensorFlow's names of norms are read, and a checkpoint's positions are not", () => {
  expect(sanitizeBert("bert.embeddings.position_ids")).toBeNull();
  expect(sanitizeBert("bert.embeddings.LayerNorm.gamma")).toBe("bert.embeddings.LayerNorm.weight");
  expect(sanitizeBert("bert.embeddings.LayerNorm.beta")).toBe("bert.embeddings.LayerNorm.bias");
  expect(sanitizeBert("bert.pooler.dense.bias")).toBe("bert.pooler.dense.bias");
});
