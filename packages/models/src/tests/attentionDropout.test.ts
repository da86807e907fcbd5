import { Generator, reference, type Tensor, tensor, withBackend } from "@lowrank/core";
import { Dropout } from "@lowrank/nn";
import { describe, expect, it } from "vitest";
import { randomParameters } from "../model/parameters.ts";
import { createModel } from "../registry/build/createModel.ts";
import { parseClassifierConfig, toHfConfig } from "../registry/configs/modelConfig.ts";

const sizes = { vocab_size: 13, hidden_size: 16, intermediate_size: 24, num_hidden_layers: 2, num_attention_heads: 4 };
const ofLlama = { ...sizes, num_key_value_heads: 2, pad_token_id: 0 };
const ofBert = { ...sizes, hidden_dropout_prob: 0 };
const ofGpt2 = { vocab_size: 13, n_positions: 24, n_embd: 16, n_layer: 2, n_head: 4, pad_token_id: 0 };

/** For each architecture: its config key for attention dropout, the default in transformers, and a small model. */
const kinds = [
  ["llama", "attention_dropout", 0, ofLlama],
  ["mistral", "attention_dropout", 0, ofLlama],
  ["qwen2", "attention_dropout", 0, ofLlama],
  ["gpt2", "attn_pdrop", 0.1, { ...ofGpt2, embd_pdrop: 0, resid_pdrop: 0 }],
  ["bert", "attention_probs_dropout_prob", 0.1, ofBert],
  ["roberta", "attention_probs_dropout_prob", 0.1, { ...ofBert, pad_token_id: 1 }],
] as const;

const base = reference();
const ids: number[][] = [[4, 9, 2, 7, 3, 5]];

/** Returns the names of the ops that a model runs, and its output. */
async function answer(config: Parameters<typeof toHfConfig>[0], training: boolean) {
  const ops: string[] = [];
  const backend: typeof base = {
    ...base,
    run: (op, ...rest) => {
      ops.push(op.name);
      base.run(op, ...rest);
    },
  };
  const draw = randomParameters(new Generator(1));
  const model = withBackend(backend, () =>
    createModel(config, (name, shape, start) => draw(name, shape, "std" in start ? { std: 0.3 } : start)),
  ).train(training);
  const run = () =>
    withBackend(backend, () => {
      const { logits } = model.forward({ inputIds: tensor(ids, { dtype: "i32" }) }) as { logits: Tensor };
      return logits;
    });
  const [first, second] = [await run().data(), await run().data()];
  return { model, ops, first, second };
}

describe.each(kinds)("%s", (model_type, key, usual, rest) => {
  const configOf = (p?: number) =>
    parseClassifierConfig({
      model_type,
      ...rest,
      classifier_dropout: 0,
      num_labels: 3,
      ...(p !== undefined && { [key]: p }),
    });

  it(`reads ${key} and writes it back`, () => {
    expect(toHfConfig(configOf())).toMatchObject({ [key]: usual });
    expect(toHfConfig(configOf(0.25))).toMatchObject({ [key]: 0.25 });
    expect(parseClassifierConfig(toHfConfig(configOf(0.25)))).toEqual(configOf(0.25));
    expect(() => configOf(1)).toThrow(`${key} is 1`);
  });

  it("drops weights of attention in training, others each time, and each layer its own", async () => {
    const { model, first, second } = await answer(configOf(0.5), true);
    const plain = await answer(configOf(0), true);
    expect(first).not.toEqual(plain.first);
    expect(second).not.toEqual(first);
    const drawn = [...model.namedModules()].flatMap(([path, module]) =>
      module instanceof Dropout && module.p === 0.5 ? [{ path, ...module.generator.state }] : [],
    );
    expect(drawn.map(({ offset }) => offset)).toEqual([2, 2].map((forwards) => forwards * 4 * 6 * 6));
    expect(new Set(drawn.map(({ stream }) => stream.join())).size).toBe(2);
  });

  it("changes nothing in evaluation, nor where it is 0, and runs the fused op there", async () => {
    const [dropping, plain, off] = [
      await answer(configOf(0.5), false),
      await answer(configOf(0), false),
      await answer(configOf(0), true),
    ];
    expect(dropping.first).toEqual(plain.first);
    expect(dropping.second).toEqual(plain.first);
    expect(off.first).toEqual(plain.first);
    for (const { ops } of [dropping, off]) expect(ops).toEqual(plain.ops);
    expect(plain.ops.filter((name) => name === "attention")).toHaveLength(4);
  });
});
