import type { Backend } from "@lowrank/core";
import { expect } from "vitest";
import {
  type CausalLM,
  createModel,
  Generator,
  getPeftModel,
  init,
  LoraConfig,
  noGrad,
  parseModelConfig,
  quantize,
  randomParameters,
  scope,
  tensor,
} from "../index.gen.ts";

const config = parseModelConfig({
  ...{ model_type: "llama", vocab_size: 97, hidden_size: 64, intermediate_size: 172, num_hidden_layers: 2 },
  ...{ num_attention_heads: 4, num_key_value_heads: 2, max_position_embeddings: 64 },
});

/** Tokens of a pass, one per row, and their positions. */
const tokens = Array.from({ length: 23 }, (_, i) => (i * 31 + 5) % 97);
const positions = tokens.map((_, i) => (i * 7) % 40);

async function logitBits(model: { forward: CausalLM["forward"] }, from: number, to: number): Promise<Uint32Array[]> {
  const column = (values: number[]) => tensor(values.slice(from, to), { shape: [to - from, 1], dtype: "i32" });
  using logits = scope(() => {
    const inputs = { inputIds: column(tokens), positionIds: column(positions) };
    return noGrad(() => model.forward(inputs).logits);
  });
  const bits = new Uint32Array((await logits.data()).buffer);
  return Array.from({ length: to - from }, (_, i) => bits.slice(97 * i, 97 * (i + 1)));
}

/** Kinds of models to test. */
export const kinds = ["f32", "nf4", "lora"] as const;

/** Throws unless a model on a batch-invariant backend gives a row the same logits alone and in any batch. */
export async function checkSameLogits(backend: Backend, kind: (typeof kinds)[number]): Promise<void> {
  await init(backend);
  const model = createModel(config, randomParameters(new Generator(3))).eval();
  if (kind === "nf4") await quantize(model, { quantType: "nf4" });
  const asked = new LoraConfig({ r: 4, initLoraWeights: false, targetModules: "all-linear" });
  const whole = kind === "lora" ? await getPeftModel(model, asked, { generator: new Generator(5) }) : model;
  const all = await logitBits(whole, 0, tokens.length);
  expect(new Set(all.map(String)).size).toBe(tokens.length);
  for (const size of [1, 2, 3, 5, 8, 11]) {
    for (let from = 0; from < tokens.length; from += size) {
      const to = Math.min(from + size, tokens.length);
      expect(await logitBits(whole, from, to)).toEqual(all.slice(from, to));
    }
  }
}
