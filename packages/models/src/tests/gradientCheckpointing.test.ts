import { Generator, init, memory, reference, resetPeak, scope, tensor } from "@lowrank/core";
import { Dropout } from "@lowrank/nn";
import { beforeAll, describe, expect, it } from "vitest";
import type { ModelInputs } from "../model/causalLM.ts";
import { randomParameters } from "../model/parameters.ts";
import { forgets } from "../model/runBlocks.ts";
import { createModel } from "../registry/build/createModel.ts";
import { parseModelConfig } from "../registry/configs/modelConfig.ts";

const sizes = { vocab_size: 11, hidden_size: 16, intermediate_size: 48, num_hidden_layers: 5, num_attention_heads: 2 };
const llama = { model_type: "llama", ...sizes, num_key_value_heads: 1, max_position_embeddings: 16 };
const gpt2 = { model_type: "gpt2", vocab_size: 11, n_positions: 16, n_embd: 16, n_layer: 5, n_head: 2 };

beforeAll(async () => {
  await init(reference());
});

function step(json: Record<string, unknown>, checkpointing: boolean) {
  const model = createModel(parseModelConfig(json), randomParameters(new Generator(1)));
  if (checkpointing) model.gradientCheckpointingEnable();
  for (const [, module] of model.namedModules()) if (module instanceof Dropout) module.generator.offset = 5;
  const before = memory().bytes;
  resetPeak();
  const loss = scope(() => {
    const ids = Array.from({ length: 4 }, (_, b) => Array.from({ length: 12 }, (_, t) => (3 * b + 5 * t) % 11));
    const inputIds = tensor(ids, { dtype: "i32" });
    const attentionMask = tensor(
      ids.map((row, b) => row.map((_, t) => Number(t < 12 - b))),
      { dtype: "u8" },
    );
    const positionIds = tensor(
      ids.map((row) => row.map((_, t) => t)),
      { dtype: "i32" },
    );
    const result = model.loss({ inputIds, labels: inputIds, attentionMask, positionIds });
    result.backward();
    return result.itemSync();
  });
  const grads = [...model.namedParameters()].map(([name, { grad }]) => [name, grad?.dataSync()]);
  return { loss, grads, peak: memory().peakBytes - before };
}

describe.each([
  ["llama", llama],
  ["llama with dropout on attention", { ...llama, attention_dropout: 0.3 }],
  ["gpt2", gpt2],
])("gradient checkpointing of %s", (_name, json) => {
  it("changes neither loss nor gradients, and takes less memory", () => {
    const [usual, less] = [step(json, false), step(json, true)];
    expect(less.loss).toBe(usual.loss);
    expect(less.grads).toEqual(usual.grads);
    expect(less.grads.every(([, grad]) => grad !== undefined)).toBe(true);
    expect(less.peak).toBeLessThan(0.8 * usual.peak);
  });
});

it("is of training alone, and of caches that a second pass does not change", () => {
  const cache = (isStateless?: boolean) => ({ isStateless }) as ModelInputs["cache"];
  for (const [training, checkpointing, held, expected] of [
    [true, true, undefined, true],
    [true, true, null, true],
    [true, true, cache(true), true],
    [true, true, cache(false), false],
    [true, true, cache(), false],
    [false, true, undefined, false],
    [true, false, undefined, false],
    [false, false, undefined, false],
  ] as const) {
    expect(forgets({ training } as never, checkpointing, held as never)).toBe(expected);
  }
});
