import { crossEntropy, Generator, gelu, randn, scope, slice, type Tensor, tensor, to } from "@lowrank/core";
import {
  AdamW,
  Conv1D,
  Embedding,
  LayerNorm,
  Linear,
  Module,
  ModuleList,
  Parameter,
  type QuantizeOptions,
  quantize,
  type UnaryModule,
} from "@lowrank/nn";
import type { PeftModel } from "../peftModel.ts";

/** How a `TinyModel` is made. */
export interface TinyOptions {
  /** The dtype of the blocks' weights and biases. Default f32. */
  dtype?: "f32" | "f16" | "bf16";
  /** The output layer shares the embedding's weight. Default false. */
  tied?: boolean;
  /** Quantise the blocks' weights. Default: they stay. */
  quantize?: QuantizeOptions;
}

const vocabulary = 11;
const dim = 6;
const hidden = 10;

/** One residual block with a Linear (with bias) and a Conv1D. */
class Block extends Module {
  norm: UnaryModule;
  up: UnaryModule;
  down: UnaryModule;

  constructor(norm: LayerNorm, up: Linear, down: Conv1D) {
    super();
    this.norm = norm;
    this.up = up;
    this.down = down;
  }

  forward(x: Tensor): Tensor {
    return x.add(this.down.forward(gelu(this.up.forward(this.norm.forward(x)))));
  }
}

/** A small language model of all kinds of layers that adapters know. Two of equal options are equal. */
export class TinyModel extends Module {
  readonly config = { modelType: "tiny" };
  embed_tokens: UnaryModule;
  layers: ModuleList<Block>;
  lm_head: UnaryModule;

  constructor({ dtype = "f32", tied = false, quantize: packing }: TinyOptions = {}) {
    super();
    const generator = new Generator(1);
    const draw = (shape: number[], kind: "f32" | "f16" | "bf16" = dtype) =>
      new Parameter(to(randn(shape, { generator, std: 0.4 }), { dtype: kind }));
    const table = draw([vocabulary, dim], "f32");
    this.embed_tokens = new Embedding(table);
    const block = () =>
      new Block(
        new LayerNorm(draw([dim], "f32"), draw([dim], "f32"), 1e-5),
        new Linear(draw([hidden, dim]), draw([hidden])),
        new Conv1D(draw([hidden, dim]), draw([dim])),
      );
    this.layers = new ModuleList([block(), block()]);
    this.lm_head = new Linear(tied ? table : draw([vocabulary, dim], "f32"));
    if (packing) quantize(this, packing);
  }

  get head(): UnaryModule {
    return this.lm_head;
  }

  /** Logits [B, T, V] of ids [B, T]. */
  forward(ids: Tensor): { logits: Tensor } {
    return scope(() => {
      let x = this.embed_tokens.forward(ids);
      for (const block of this.layers) x = block.forward(x);
      return { logits: this.head.forward(x) };
    });
  }

  /** Mean cross-entropy of each token after the one before it. */
  loss(ids: Tensor): Tensor {
    return scope(() => {
      const { logits } = this.forward(ids);
      const T = ids.shape[1];
      return crossEntropy(slice(logits, { dim: 1, start: 0, end: T - 1 }), slice(ids, { dim: 1, start: 1, end: T }), {
        ignoreIndex: -100,
      });
    });
  }
}

/** A batch for a `TinyModel`. */
export function tinyBatch(): Tensor {
  return tensor(
    [
      [1, 5, 3, 2, 9],
      [4, 4, 0, 10, 7],
    ],
    { dtype: "i32" },
  );
}

/** The logits' raw bytes, to compare to the last bit. */
export async function logitBits(model: { forward(ids: Tensor): { logits: Tensor } }): Promise<Uint8Array> {
  return scope(() => model.forward(tinyBatch())).logits.bytes();
}

/** Losses of some AdamW steps. */
export function train(peft: PeftModel<TinyModel>, steps = 4, lr = 0.05): number[] {
  const optimizer = new AdamW([...peft.trainableParameters()], { lr, weightDecay: 0 });
  return Array.from({ length: steps }, () => {
    const loss = scope(() => {
      const value = peft.loss(tinyBatch());
      value.backward();
      return value.itemSync();
    });
    optimizer.step();
    optimizer.zeroGrad();
    return loss;
  });
}
