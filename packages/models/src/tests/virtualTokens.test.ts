import {
  backward,
  embedding,
  Generator,
  init,
  randn,
  reference,
  reshape,
  scope,
  slice,
  type Tensor,
  tensor,
} from "@lowrank/core";
import { type Embedding, Parameter, type VirtualTokens } from "@lowrank/nn";
import { beforeAll, describe, expect, it } from "vitest";
import { generate } from "../generation/decoding/generate.ts";
import type { CausalLM } from "../model/causalLM.ts";
import { randomParameters } from "../model/parameters.ts";
import { createModel } from "../registry/build/createModel.ts";
import { parseModelConfig } from "../registry/configs/modelConfig.ts";

const sizes = { vocab_size: 11, hidden_size: 16, intermediate_size: 24, num_hidden_layers: 3, num_attention_heads: 4 };
const llama = { model_type: "llama", ...sizes, num_key_value_heads: 2, max_position_embeddings: 32 };
const gpt2 = { model_type: "gpt2", vocab_size: 11, n_positions: 32, n_embd: 16, n_layer: 3, n_head: 4 };
const count = 3;

beforeAll(() => init(reference()));

/** Returns a model whose logits differ enough for a greedy choice to be stable. */
function make(json: Record<string, unknown>): CausalLM {
  const draw = randomParameters(new Generator(1));
  return createModel(parseModelConfig(json), (name, shape, start) => {
    return draw(name, shape, "std" in start ? { std: 0.3 } : start);
  }).eval();
}

function rows(model: CausalLM, kind: VirtualTokens["kind"]): Parameter {
  const { hiddenSize, layers, keyValueHeads, headDim } = model.attentionSizes;
  const shape = kind === "cache" ? [count, layers, 2, keyValueHeads, headDim] : [count, hiddenSize];
  return new Parameter(randn(shape, { generator: new Generator(7) }));
}

const ids = (values: number[][]): Tensor => tensor(values, { dtype: "i32" });
const largestDifference = (a: ArrayLike<number>, b: ArrayLike<number>) =>
  Math.max(...Array.from(a, (x, i) => Math.abs(x - b[i])));

describe.each([
  ["llama", llama],
  ["gpt2", gpt2],
])("virtual tokens of a %s", (_name, json) => {
  it("are tokens where their embeddings are those of tokens", () => {
    const model = make(json);
    const whole = ids([[4, 9, 2, 1, 5, 3]]);
    const tokens = slice(whole, { dim: 1, start: count });
    const ignored = ids([[-100, -100, -100, 1, 5, 3]]);
    const [logits, loss] = [
      model.forward({ inputIds: whole }).logits,
      model.loss({ inputIds: whole, labels: ignored }),
    ];
    const table = [...model.namedModules()].find(([, module]) => "weight" in module)?.[1] as Embedding;
    model.virtualTokens = {
      kind: "embeddings",
      count,
      rows: () => reshape(embedding(table.weight, ids([[4, 9, 2]])), [count, 16]),
    };
    const out = model.forward({ inputIds: tokens, labels: tokens });
    expect(out.logits.dataSync()).toEqual(logits.dataSync());
    expect(out.loss?.itemSync()).toBeCloseTo(loss.itemSync(), 6);
    expect(model.loss({ inputIds: tokens, labels: tokens }).itemSync()).toBeCloseTo(loss.itemSync(), 6);
  });

  it("one virtual token is a token with its embedding, beside padding and for the loss too", () => {
    const model = make(json);
    const whole = ids([[4, 9, 2]]);
    const loss = model.loss({ inputIds: whole, labels: whole });
    const next = model.nextLogits({ inputIds: whole }).dataSync();
    const table = [...model.namedModules()].find(([, module]) => "weight" in module)?.[1] as Embedding;
    model.virtualTokens = {
      kind: "embeddings",
      count: 1,
      rows: () => reshape(embedding(table.weight, ids([[4]])), [1, 16]),
    };
    const inputIds = ids([[9, 2]]);
    expect(model.loss({ inputIds, labels: inputIds }).itemSync()).toBeCloseTo(loss.itemSync(), 6);
    const padded = { inputIds: ids([[0, 9, 2]]), attentionMask: tensor([[0, 1, 1]], { dtype: "u8" }) };
    const positionIds = ids([[0, 0, 1]]);
    expect(largestDifference(model.nextLogits({ ...padded, positionIds }).dataSync(), next)).toBeLessThan(1e-5);
  });

  it("a cache of zero keys and values draws attention away, without further positions for logits", () => {
    const model = make(json);
    const { layers, keyValueHeads, headDim } = model.attentionSizes;
    const zero = tensor(new Float32Array(count * layers * 2 * keyValueHeads * headDim), {
      shape: [count, layers, 2, keyValueHeads, headDim],
    });
    const inputIds = ids([[4, 9, 2, 1]]);
    const before = model.forward({ inputIds }).logits.dataSync();
    model.virtualTokens = { kind: "cache", count, rows: () => zero };
    const after = model.forward({ inputIds }).logits;
    expect(after.shape).toEqual([1, 4, 11]);
    expect(largestDifference(after.dataSync(), before)).toBeGreaterThan(1e-3);
  });

  describe.each(["embeddings", "cache"] as const)("as %s", (kind) => {
    const prompted = () => {
      const model = make(json);
      const parameter = rows(model, kind);
      model.virtualTokens = { kind, count, rows: () => parameter };
      return { model, parameter };
    };

    it("act the same through the cache, and beside padding", async () => {
      const { model } = prompted();
      const prompts = [[4, 9, 2, 1], [5, 3], [7]];
      const options = { maxNewTokens: 6 };
      const alone: number[][] = [];
      for (const prompt of prompts) {
        const [tokens] = await generate(model, [prompt], options);
        alone.push(tokens);
        for (const [i, token] of tokens.entries()) {
          const { logits } = model.forward({ inputIds: ids([[...prompt, ...tokens.slice(0, i)]]) });
          const last = logits.dataSync().slice(-11);
          expect(last.indexOf(Math.max(...last))).toBe(token);
        }
      }
      expect(await generate(model, prompts, options)).toEqual(alone);
      const { model: bare } = prompted();
      bare.virtualTokens = null;
      expect(await generate(bare, prompts, options)).not.toEqual(alone);
    });

    it("padding on the right changes no token before it", () => {
      const { model } = prompted();
      const short = model.forward({ inputIds: ids([[4, 9, 2]]) }).logits.dataSync();
      const padded = model.forward({
        inputIds: ids([[4, 9, 2, 0, 0]]),
        attentionMask: tensor([[1, 1, 1, 0, 0]], { dtype: "u8" }),
        positionIds: ids([[0, 1, 2, 3, 4]]),
      }).logits;
      expect(largestDifference(short, padded.dataSync())).toBeLessThan(1e-5);
    });

    it("get the same gradients where blocks are checkpointed", () => {
      const step = (checkpointing: boolean) => {
        const { model, parameter } = prompted();
        model.train();
        for (const [, module] of model.namedModules()) if ("p" in module) module.training = false;
        if (checkpointing) model.gradientCheckpointingEnable();
        // New rows in each call, as a prompt encoder returns.
        model.virtualTokens = { kind, count, rows: () => parameter.mul(2) };
        const inputIds = ids([[4, 9, 2, 1]]);
        scope(() => backward(model.loss({ inputIds, labels: inputIds })));
        return parameter.grad!.dataSync();
      };
      const grad = step(false);
      expect(Math.max(...grad.map(Math.abs))).toBeGreaterThan(1e-3);
      expect(step(true)).toEqual(grad);
    });

    it("take of the positions that there are", async () => {
      const { model } = prompted();
      await expect(generate(model, [[1, 2]], { maxNewTokens: 28 })).rejects.toThrow(
        "3 virtual tokens, 2 prompt tokens and 28 new ones exceed the model's 32 positions",
      );
      const [tokens] = await generate(model, [[1, 2]]);
      expect(tokens.length).toBe(27);
    });
  });
});
