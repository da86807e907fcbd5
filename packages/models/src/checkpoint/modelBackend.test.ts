import { type Backend, backward, Generator, init, reference, scope, tensor } from "@lowrank/core";
import { beforeEach, describe, expect, it } from "vitest";
import { generate } from "../generation/decoding/generate.ts";
import type { CausalLM } from "../model/causalLM.ts";
import { randomParameters } from "../model/parameters.ts";
import type { SequenceClassifier } from "../model/sequenceClassifier.ts";
import { createModel } from "../registry/build/createModel.ts";
import { parseClassifierConfig, parseModelConfig } from "../registry/configs/modelConfig.ts";

const sizes = { vocab_size: 11, hidden_size: 16, intermediate_size: 24, num_hidden_layers: 2, num_attention_heads: 4 };
const encoder = { ...sizes, max_position_embeddings: 34, type_vocab_size: 2, pad_token_id: 1, num_labels: 3 };
const configs = {
  llama: { model_type: "llama", ...sizes, max_position_embeddings: 32 },
  gpt2: { model_type: "gpt2", vocab_size: 11, n_positions: 32, n_embd: 16, n_layer: 2, n_head: 4 },
  bert: { model_type: "bert", architectures: ["BertForSequenceClassification"], ...encoder },
  roberta: { model_type: "roberta", architectures: ["RobertaForSequenceClassification"], ...encoder },
};

/** A backend that throws if a tensor is created on it. */
function forbidden(): Backend {
  const alloc = () => {
    throw new Error("a tensor was made on the backend that init chose, not on the model's");
  };
  return { ...reference(), name: "forbidden", alloc };
}

/** A backend that records the bytes read from it and written to it. */
function counting(): { backend: Backend; counts: { reads: number[]; writes: number[] } } {
  const inner = reference();
  const counts = { reads: [] as number[], writes: [] as number[] };
  const backend: Backend = {
    ...inner,
    name: "counting",
    read: (buffer, ...range) => {
      counts.reads.push(buffer.bytes);
      return inner.read(buffer, ...range);
    },
    write: (buffer, bytes, ...at) => {
      counts.writes.push(bytes.byteLength);
      inner.write(buffer, bytes, ...at);
    },
  };
  return { backend, counts };
}

async function made<T>(name: keyof typeof configs, backend: Backend): Promise<T> {
  await init(backend);
  const config =
    name === "llama" || name === "gpt2" ? parseModelConfig(configs[name]) : parseClassifierConfig(configs[name]);
  const model = createModel(config, randomParameters(new Generator(1)));
  await init(forbidden());
  return model as T;
}

beforeEach(() => init(reference()));

describe("a model makes everything on the backend of its parameters", () => {
  it.each(["llama", "gpt2"] as const)("%s generates, and trains with checkpoints", async (name) => {
    const backend = reference();
    const model = await made<CausalLM>(name, backend);
    const prompts = [
      [4, 9, 2, 1],
      [5, 3],
    ];
    const settings = { maxNewTokens: 4, repetitionPenalty: 1.3, presencePenalty: 0.2 };
    expect((await generate(model, prompts, settings)).map((row) => row.length)).toEqual([4, 4]);
    await generate(model, prompts, { ...settings, doSample: true, topP: 0.9 });
    const inputIds = tensor([[4, 9, 2, 1]], { dtype: "i32", backend });
    const attentionMask = tensor([[1, 1, 1, 0]], { dtype: "u8", backend });
    for (const checkpoints of [false, true]) {
      model.train().gradientCheckpointing = checkpoints;
      scope(() => backward(model.loss({ inputIds, labels: inputIds, attentionMask })));
    }
    for (const { grad } of model.parameters()) expect(grad?.storage.backend).toBe(backend);
  });

  it.each(["bert", "roberta"] as const)("%s classifies and trains", async (name) => {
    const backend = reference();
    const model = await made<SequenceClassifier>(name, backend);
    const inputIds = tensor([[4, 9, 2, 1]], { dtype: "i32", backend });
    const attentionMask = tensor([[1, 1, 1, 0]], { dtype: "u8", backend });
    scope(() => backward(model.loss({ inputIds, labels: tensor([2], { dtype: "i32", backend }), attentionMask })));
    expect(model.backend).toBe(backend);
  });
});

describe("to", () => {
  it("moves parameters, gradients and what they share, and the model goes on there", async () => {
    const [first, second] = [reference(), reference()];
    const model = await made<CausalLM>("llama", first);
    const prompts = [
      [4, 9, 2, 1],
      [5, 3],
    ];
    const before = await generate(model, prompts, { maxNewTokens: 5 });
    const inputIds = tensor([[4, 9, 2, 1]], { dtype: "i32", backend: first });
    scope(() => backward(model.loss({ inputIds, labels: inputIds })));
    const parameters = [...model.parameters()];
    const numbers = await Promise.all(parameters.map(async (p) => [await p.data(), await p.grad?.data()]));
    const freed: number[] = [];
    first.free = ({ bytes }) => void freed.push(bytes);
    expect(await model.to(second)).toBe(model);
    expect(model.backend).toBe(second);
    expect([...model.parameters()]).toEqual(parameters);
    for (const p of parameters) {
      expect([p.storage.backend, p.grad?.storage.backend]).toEqual([second, second]);
      expect(p.requiresGrad).toBe(true);
    }
    expect(await Promise.all(parameters.map(async (p) => [await p.data(), await p.grad?.data()]))).toEqual(numbers);
    expect(freed.length).toBeGreaterThanOrEqual(2 * parameters.length);
    expect(await generate(model, prompts, { maxNewTokens: 5 })).toEqual(before);
  });

  it("refuses the result of a recorded op", async () => {
    const model = await made<CausalLM>("llama", reference());
    const [p] = model.parameters();
    p.grad = p.mul(2);
    await expect(model.to(reference())).rejects.toThrow(/to: \[11,16\] is the result of a recorded op/);
  });
});

describe("a step of generation", () => {
  it.each([
    ["greedy", {}],
    ["sampled", { doSample: true, topK: 5, topP: 0.9 }],
    ["with penalties", { repetitionPenalty: 1.2, frequencyPenalty: 0.1 }],
  ])("reads one token a row: %s", async (_name, options) => {
    const { backend, counts } = counting();
    const model = await made<CausalLM>("llama", backend);
    counts.writes.length = 0;
    await generate(
      model,
      [
        [4, 9],
        [5, 3],
        [1, 2],
      ],
      { maxNewTokens: 4, ...options },
    );
    expect(counts.reads).toEqual([12, 12, 12, 12]);
    expect(Math.max(...counts.writes)).toBeLessThanOrEqual(64 * 4 * 2 * 4);
  });

  it("reads the logits for a user's function on them", async () => {
    const { backend, counts } = counting();
    const model = await made<CausalLM>("llama", backend);
    const seen: number[][] = [];
    const logitsProcessor = (logits: Float32Array, tokens: readonly number[], row: number) => {
      seen.push([row, ...tokens]);
      return logits.fill(0).fill(1, 7 + row, 8 + row);
    };
    expect(await generate(model, [[4], [5]], { maxNewTokens: 2, logitsProcessors: [logitsProcessor] })).toEqual([
      [7, 7],
      [8, 8],
    ]);
    expect(seen).toEqual([
      [0, 4],
      [1, 5],
      [0, 4, 7],
      [1, 5, 8],
    ]);
    expect(counts.reads).toEqual([88, 8, 88, 8]);
    const short = () => new Float32Array(3);
    await expect(generate(model, [[4]], { maxNewTokens: 1, logitsProcessors: [short] })).rejects.toThrow(
      /logitsProcessors\[0\] returned 3 logits for row 0; return all 11/,
    );
  });

  it.each([{}, { doSample: true }])("says which logit is NaN: %o", async (options) => {
    const model = await made<CausalLM>("llama", reference());
    const logitsProcessor = (logits: Float32Array) => logits.fill(Number.NaN, 6, 7);
    await expect(
      generate(model, [[4]], { maxNewTokens: 1, logitsProcessors: [logitsProcessor], ...options }),
    ).rejects.toThrow("the logit of token 6 is NaN");
  });
});
