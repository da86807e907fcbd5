import { primitives } from "@lowrank/core/testing";
import { expect, test } from "vitest";
import {
  type Backend,
  describeModel,
  init,
  LoraConfig,
  type PlanOptions,
  PromptEncoderConfig,
  parseModelConfig,
  planMemory,
  reference,
  wasm,
} from "./index.gen.ts";
import { batchSize, measuredPrompt, measuredStep } from "./testing/measureMemory.ts";

const sizes = { vocab_size: 96, hidden_size: 20, intermediate_size: 44, num_hidden_layers: 2, num_attention_heads: 2 };
const llama = parseModelConfig({ model_type: "llama", ...sizes, max_position_embeddings: 64, attention_dropout: 0.1 });
const lora = new LoraConfig({ r: 4, targetModules: "all-linear" });
const prompt = new PromptEncoderConfig({ numVirtualTokens: 9, encoderReparameterizationType: "LSTM" });

/** Returns a backend whose buffers are multiples of a block. */
function aligned(alignment: number): Backend {
  const base = reference();
  const up = (bytes: number) => Math.ceil(bytes / alignment) * alignment;
  return { ...base, name: "aligned", alignment, alloc: (bytes) => base.alloc(up(bytes)) };
}

const backends: Readonly<Record<string, Backend>> = {
  wasm: await wasm(),
  "of few ops": primitives(),
  "with buffers of 256 bytes": aligned(256),
  "that takes five tensors at a time": { ...reference(), maxTensors: 5 },
  "of few ops that takes five tensors at a time": { ...primitives(), maxTensors: 5 },
};

const cases = Object.entries({
  "whole model": { adapter: null },
  LoRA: { adapter: lora },
  "encoded prompt": { adapter: prompt },
  checkpointing: { adapter: lora, gradientCheckpointing: true },
}).map(([name, options]): [string, PlanOptions & { sequenceLength: number }] => [
  name,
  { ...options, batchSize, sequenceLength: 12 },
]);

for (const [name, backend] of Object.entries(backends)) {
  test.each(cases)(`a backend ${name} takes what the plan for it says: %s`, async (_what, options) => {
    await init(backend);
    const plan = await planMemory(describeModel(llama), { ...options, backend });
    expect(plan.training.bytes).toBe(await measuredStep(llama, options));
    const { peak, kvCache } = await measuredPrompt(llama, options);
    expect([plan.generation, plan.kvCache]).toEqual([peak, kvCache]);
  });
}

test("plans differ as the backends do", async () => {
  const plan = (backend: Backend) =>
    planMemory(describeModel(llama), { adapter: lora, batchSize, sequenceLength: 12, backend });
  const [usual, few, blocks] = [await plan(backends.wasm), await plan(primitives()), await plan(aligned(256))];
  // Composed operations keep their own tensors, and a block is never smaller than its content.
  expect(few.activations).toBeGreaterThan(usual.activations);
  expect(blocks.training.bytes).toBeGreaterThan((await plan(reference())).training.bytes);
  expect(blocks.optimizer % 256).toBe(0);
  expect(blocks.optimizer).toBeGreaterThan(usual.optimizer);
  // An optimiser update with more tensors than a call supports is split, so that each call works on fewer.
  const groups = await plan({ ...primitives(), maxTensors: 5 });
  expect(groups.training.bytes).toBeLessThan(few.training.bytes);
});
