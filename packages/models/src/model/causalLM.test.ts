import { Generator, init, reference, slice, type Tensor, tensor } from "@lowrank/core";
import { Module } from "@lowrank/nn";
import { beforeAll, expect, it } from "vitest";
import type { GPT2LMHeadModel } from "../architectures/gpt2/model.ts";
import type { LlamaForCausalLM } from "../architectures/llama/model.ts";
import { createModel } from "../registry/build/createModel.ts";
import { parseModelConfig } from "../registry/configs/modelConfig.ts";
import { randomParameters } from "./parameters.ts";

const sizes = { vocab_size: 11, hidden_size: 16, intermediate_size: 24, num_hidden_layers: 2, num_attention_heads: 4 };
const llama = { model_type: "llama", ...sizes, max_position_embeddings: 32 };
const gpt2 = { model_type: "gpt2", vocab_size: 11, n_positions: 32, n_embd: 16, n_layer: 2, n_head: 4 };

beforeAll(() => init(reference()));

/** Records the shapes of a layer's inputs. */
class Watch extends Module {
  readonly #layer: { forward(x: Tensor): Tensor };
  readonly #seen: (readonly number[])[];

  constructor(layer: { forward(x: Tensor): Tensor }, seen: (readonly number[])[]) {
    super();
    this.#layer = layer;
    this.#seen = seen;
  }

  forward(x: Tensor): Tensor {
    this.#seen.push(x.shape);
    return this.#layer.forward(x);
  }
}

it.each([
  ["llama", llama],
  ["gpt2", gpt2],
])(
  "nextLogits of a %s are the last row of forward's, and only that row runs behind the last attention",
  async (_, json) => {
    const made = createModel(parseModelConfig(json), randomParameters(new Generator(1))).eval();
    const model = made as LlamaForCausalLM | GPT2LMHeadModel;
    const blocks = [...("model" in model ? model.model.layers : model.transformer.h)] as { mlp: Module }[];
    const seen: (readonly number[])[] = [];
    for (const block of blocks) block.mlp = new Watch(block.mlp as Watch, seen);
    const inputIds = tensor(
      [
        [4, 9, 2, 1],
        [5, 3, 0, 7],
      ],
      { dtype: "i32" },
    );
    const whole = slice(model.forward({ inputIds }).logits, { dim: 1, start: -1 });
    expect(seen).toEqual([
      [2, 4, 16],
      [2, 4, 16],
    ]);
    seen.length = 0;
    expect(await model.nextLogits({ inputIds }).data()).toEqual(await whole.data());
    expect(seen).toEqual([
      [2, 4, 16],
      [2, 1, 16],
    ]);
  },
);
