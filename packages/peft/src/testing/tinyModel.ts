import {
  cat,
  crossEntropy,
  expand,
  Generator,
  gelu,
  randn,
  scope,
  slice,
  type Tensor,
  tensor,
  to,
} from "@lowrank/core";
import {
  AdamW,
  type Attend,
  type AttentionSizes,
  Conv1D,
  Embedding,
  LayerNorm,
  Linear,
  Module,
  ModuleList,
  Parameter,
  type PromptableModel,
  type QuantizeOptions,
  quantizeLinear,
  Residual,
  type UnaryModule,
  type VirtualTokens,
} from "@lowrank/nn";
import { setBatch } from "@lowrank/nn/internal";
import type { PeftModel } from "../peftModel/peftModel.ts";
import { TinyAttention, tinyAttend, tinySizes } from "./tinyAttention.ts";

/** Options of a `TinyModel`. */
export interface TinyOptions {
  /** The dtype of the blocks' weights and biases. Default: f32. */
  dtype?: "f32" | "f16" | "bf16";
  /** True if the output layer shares the embedding's weight. Default: false. */
  tied?: boolean;
  /** Quantises the blocks' weights. Default: none. */
  quantize?: QuantizeOptions;
  /** Adds attention to the blocks, and sets the model type to llama. Default: false. */
  attention?: boolean;
  /** The token whose embedding row is not trained. Default: none. */
  paddingIdx?: number;
  /** The tasks of the rows of every batch, in turn. Default: batches have no tasks. */
  taskIds?: readonly number[];
}

const vocabulary = 11;
const dim = tinySizes.hiddenSize;
const hidden = 10;

/** One residual block with a Linear (with bias) and a Conv1D. */
class Block extends Module {
  self_attn?: TinyAttention;
  attention_residual?: Residual;
  norm: UnaryModule;
  up: UnaryModule;
  down: UnaryModule;
  mlp_residual: Residual;

  constructor(norm: LayerNorm, up: Linear, down: Conv1D, attention: TinyAttention | null) {
    super();
    if (attention) {
      this.self_attn = attention;
      this.attention_residual = new Residual();
    }
    this.norm = norm;
    this.up = up;
    this.down = down;
    this.mlp_residual = new Residual();
  }

  forward(x: Tensor, layer: number, attend: Attend): Tensor {
    const attended = this.self_attn?.forward(x, layer, attend);
    const h = attended && this.attention_residual ? this.attention_residual.forward(attended, x) : x;
    return this.mlp_residual.forward(this.down.forward(gelu(this.up.forward(this.norm.forward(h)))), h);
  }
}

/**
 * A small language model with all kinds of layers that adapters support. Models with equal options have equal weights.
 */
export class TinyModel extends Module implements PromptableModel {
  readonly config: { modelType: string };
  readonly attentionSizes: AttentionSizes = tinySizes;
  virtualTokens: VirtualTokens | null = null;
  embed_tokens: UnaryModule;
  layers: ModuleList<Block>;
  lm_head: UnaryModule;
  readonly #taskIds: readonly number[] | undefined;

  constructor({ dtype = "f32", tied, attention, quantize: packing, paddingIdx, taskIds }: TinyOptions = {}) {
    super();
    this.#taskIds = taskIds;
    this.config = { modelType: attention ? "llama" : "tiny" };
    const generator = new Generator(1);
    const draw = (shape: number[], kind: "f32" | "f16" | "bf16" = dtype) =>
      new Parameter(to(randn(shape, { generator, std: 0.4 }), { dtype: kind }));
    const table = draw([vocabulary, dim], "f32");
    this.embed_tokens = new Embedding(table, { paddingIdx });
    const block = () =>
      new Block(
        new LayerNorm(draw([dim], "f32"), draw([dim], "f32"), 1e-5),
        new Linear(draw([hidden, dim]), draw([hidden])),
        new Conv1D(draw([hidden, dim]), draw([dim])),
        attention ? new TinyAttention(draw) : null,
      );
    this.layers = new ModuleList([block(), block()]);
    this.lm_head = new Linear(tied ? table : draw([vocabulary, dim], "f32"));
    if (packing) this.#quantize(packing);
  }

  /** Quantises synchronously with the same result as `quantize`, since a constructor cannot await. */
  #quantize({ skipModules, ...options }: QuantizeOptions): void {
    for (const [path, layer] of [...this.namedModules()]) {
      if (!(layer instanceof Linear || layer instanceof Conv1D)) continue;
      if (layer === this.lm_head && skipModules === undefined) continue;
      this.setSubmodule(path, quantizeLinear(layer, options));
      layer.weight.dispose();
    }
  }

  get head(): UnaryModule {
    return this.lm_head;
  }

  /** Logits [B, T, V] of ids [B, T]. Virtual embeddings, if any, come first. */
  forward(ids: Tensor): { logits: Tensor } {
    return scope(() => {
      const size = ids.shape[0];
      const tasks = this.#taskIds;
      const taskIds = tasks && Array.from({ length: size }, (_, row) => tasks[row % tasks.length]);
      setBatch({ inputIds: ids, taskIds });
      const rows = this.virtualTokens?.kind === "embeddings" ? this.virtualTokens.rows({ size, taskIds }) : null;
      let x = this.embed_tokens.forward(ids);
      if (rows) x = cat([rows.ndim === 3 ? rows : expand(rows, [size, ...rows.shape]), x], { dim: 1 });
      const attend = tinyAttend(this.virtualTokens);
      for (const [i, block] of [...this.layers].entries()) x = block.forward(x, i, attend);
      return { logits: this.head.forward(x) };
    });
  }

  /** Mean cross-entropy of next-token prediction. */
  loss(ids: Tensor): Tensor {
    return scope(() => {
      const { logits } = this.forward(ids);
      const meanLoss = (labels: Tensor) => {
        const [rows, tokens] = [logits.shape[1], labels.shape[1]];
        const start = rows - tokens;
        return crossEntropy(slice(logits, { dim: 1, start, end: rows - 1 }), slice(labels, { dim: 1, start: 1 }), {
          ignoreIndex: -100,
        });
      };
      const batch = { labels: ids, inputTypeMask: null, logits: () => logits, meanLoss };
      return this.virtualTokens?.loss?.of(batch) ?? meanLoss(ids);
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

/** Returns the logits' bytes, for bitwise comparison. */
export async function logitBits(model: { forward(ids: Tensor): { logits: Tensor } }): Promise<Uint8Array> {
  return scope(() => model.forward(tinyBatch())).logits.bytes();
}

/** Returns the losses of some AdamW steps. */
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
