import {
  add,
  affine,
  type Backend,
  eq,
  formatShape,
  ge,
  gt,
  indexSelect,
  keep,
  matmul,
  max,
  mul,
  noGrad,
  scope,
  slice,
  sub,
  type Tensor,
  tensor,
  zeros,
} from "@lowrank/core";
import { onRecompute } from "@lowrank/core/internal";
import type { Module, Parameter, UnaryModule } from "@lowrank/nn";
import { type CurrentBatch, currentBatch, type Invocation } from "@lowrank/nn/internal";
import { printWarning } from "../../../config/warning.ts";
import { type LayerAdapter, toF32 } from "../../../layers/tunerLayer.ts";
import { layerDropout } from "../../shared/draws.ts";
import type { ForwardHook, LayerContext } from "../../shared/method.ts";
import type { LoraConfig } from "../loraConfig.ts";
import { rankAndScaling } from "../loraScaling.ts";
import type { LinearStart } from "../loraStart.ts";
import { variantParameters } from "./variantLinear.ts";

/** A model on which `generate` finds the invocation of the active adapter. */
type InvokedModel = Module & { invocation?: Invocation | null };

/** Returns the index at which `tokens` occur last in `ids`, or -1. */
function lastOf(ids: readonly number[], tokens: readonly number[]): number {
  for (let at = ids.length - tokens.length; at >= 0; at--) {
    if (tokens.every((token, i) => token === ids[at + i])) return at;
  }
  return -1;
}

/**
 * Returns the number of tokens from the last occurrence of `tokens` to the end of each row of `ids` i32 [B, T], as f32
 * [B, 1]; 0 for a row without them. Does not read values, so that backends may defer the work.
 */
function lengthsFrom(ids: Tensor, tokens: readonly number[]): Tensor {
  const [B, T] = ids.shape;
  const { backend } = ids.storage;
  const starts = T - tokens.length + 1;
  if (starts < 1) return zeros([B, 1], { backend });
  const matches = tokens
    .map((token, i) => eq(slice(ids, { dim: 1, start: i, end: i + starts }), token).to("f32"))
    .reduce((all, match) => mul(all, match));
  const indices = tensor(
    Float32Array.from({ length: starts }, (_, t) => t + 1),
    { backend },
  );
  // One more than the index of the last occurrence; 0 if there is none.
  const last = max(mul(matches, indices), { dim: 1 }).reshape([B, 1]);
  return mul(gt(last, 0).to("f32"), sub(T + 1, last));
}

/**
 * The tokens after which an aLoRA adapter acts. All layers of the adapter share the object, which finds the tokens once
 * for each batch.
 */
export class AloraInvocation implements ForwardHook, Invocation {
  readonly trains: readonly string[] = [];
  readonly #tokens: readonly number[];
  #batch: CurrentBatch | null = null;
  /** Number of tokens at the end of each row of `#batch` on which the adapter acts, f32 [B, 1]. Null: on none. */
  #lengths: Tensor | null = null;
  /** Masks of `#batch`, by rows and number of tokens. */
  readonly #masks = new Map<string, Tensor>();
  #hasWarned = false;

  constructor({ aloraInvocationTokens }: LoraConfig) {
    this.#tokens = aloraInvocationTokens!;
  }

  attach(model: InvokedModel): void {
    model.invocation = this;
  }

  /** Makes `generate` find the invocations of several adapters. `hooks` has the hook of each row's adapter. */
  attachRows(model: InvokedModel, hooks: readonly (ForwardHook | undefined)[]): void {
    const start: Invocation["start"] = (prompt, row) => {
      const hook = hooks[row];
      return hook instanceof AloraInvocation ? hook.start(prompt) : null;
    };
    model.invocation = hooks.every((hook) => hook === this) ? this : { start };
  }

  detach(model: InvokedModel): void {
    model.invocation = null;
  }

  start(prompt: readonly number[]): number | null {
    const at = lastOf(prompt, this.#tokens);
    if (at >= 0) return at;
    if (!this.#hasWarned) {
      const message = `a prompt lacks aloraInvocationTokens [${this.#tokens.join()}]; the aLoRA adapter does not change its outputs`;
      printWarning({ code: "not-invoked", message });
    }
    this.#hasWarned = true;
    return null;
  }

  /**
   * Returns a mask of the tokens of x on which the adapter acts, f32 [B, T, 1] or [B, 1]. `rows` has the rows of the
   * batch that x has; undefined for all. Null if the adapter acts on no token, as the batch has no token ids.
   */
  maskFor(x: Tensor, rows: readonly number[] | undefined, path: string): Tensor | null {
    const batch = currentBatch();
    onRecompute(() => {
      if (currentBatch() === batch) return;
      throw new Error(
        "gradient checkpointing recomputes outputs with the token ids of the last forward pass: call backward before the next forward pass",
      );
    });
    if (batch !== this.#batch) this.#take(batch, x.storage.backend);
    const lengths = this.#lengths;
    if (!lengths) return null;
    const [B, T] = x.ndim === 2 ? [x.shape[0], 1] : x.shape;
    const expected = rows?.length ?? lengths.shape[0];
    if (x.ndim > 3 || B !== expected) {
      throw new Error(
        `${path}: aLoRA needs inputs with a row for each of the ${expected} sequences, but they are ${formatShape(x.shape)}; leave ${path} out of targetModules`,
      );
    }
    const key = `${T},${x.ndim}/${rows?.join() ?? ""}`;
    let mask = this.#masks.get(key);
    if (!mask) {
      mask = noGrad(() => scope(() => keep(this.#mask(lengths, rows, [B, T], x.ndim))));
      this.#masks.set(key, mask);
    }
    return mask;
  }

  #mask(all: Tensor, rows: readonly number[] | undefined, [B, T]: readonly number[], ndim: number): Tensor {
    const { backend } = all.storage;
    const lengths = rows ? indexSelect(all, tensor(Int32Array.from(rows), { backend }), { dim: 0 }) : all;
    const left = tensor(
      Float32Array.from({ length: T }, (_, t) => T - t),
      { shape: [1, T], backend },
    );
    return ge(lengths, left)
      .to("f32")
      .reshape(ndim === 2 ? [B, 1] : [B, T, 1]);
  }

  /** Finds the tokens in a new batch. */
  #take(batch: CurrentBatch, backend: Backend): void {
    this.dispose();
    this.#batch = batch;
    const { inputIds, aloraOffsets } = batch;
    if (aloraOffsets && inputIds && aloraOffsets.length !== inputIds.shape[0]) {
      throw new Error(
        `aloraOffsets has ${aloraOffsets.length} elements for ${inputIds.shape[0]} rows; give the offset of each row`,
      );
    }
    this.#lengths = noGrad(() =>
      scope(() => {
        if (!aloraOffsets) return inputIds ? keep(lengthsFrom(inputIds, this.#tokens)) : null;
        const given = Float32Array.from(aloraOffsets, (offset) => offset ?? 0);
        return keep(tensor(given, { shape: [given.length, 1], backend }));
      }),
    );
  }

  dispose(): void {
    this.#lengths?.dispose();
    for (const mask of this.#masks.values()) mask.dispose();
    this.#masks.clear();
    this.#lengths = null;
    this.#batch = null;
  }
}

/**
 * aLoRA on a linear layer or a Conv1D: LoRA that acts only on the tokens from the last invocation on. Greenewald et al.
 * 2025, https://arxiv.org/abs/2504.12397
 */
export class AloraLinear implements LayerAdapter {
  readonly parameters: Record<string, Parameter>;
  readonly modules: Record<string, Module>;
  readonly baseWeight?: Tensor;
  readonly unmergeable = "aLoRA acts only on the tokens after its invocation";
  readonly actsOnTokens = true;
  scaling: number;
  readonly #context: LayerContext<LoraConfig>;
  readonly #dropout: UnaryModule;

  constructor(context: LayerContext<LoraConfig>, start: LinearStart) {
    const { config, path } = context;
    this.baseWeight = start.weight;
    this.parameters = variantParameters(context, start);
    const dropout = layerDropout(context, config.loraDropout);
    this.#dropout = dropout;
    this.modules = config.loraDropout > 0 ? { lora_dropout: dropout } : {};
    this.#context = context;
    this.scaling = rankAndScaling(config, path).scaling;
  }

  /** `rows` has the rows of the batch that x has; undefined for all. */
  forward(x: Tensor, base: UnaryModule, rows?: readonly number[]): Tensor {
    return scope(() => {
      const { path, shared } = this.#context;
      const y = base.forward(x);
      const mask = (shared.hook as AloraInvocation).maskFor(x, rows, path);
      return mask ? add(y, this.#update(x, mask)) : y;
    });
  }

  /** Returns LoRA's update of x where `mask` is 1, and zeros elsewhere. */
  #update(x: Tensor, mask: Tensor): Tensor {
    const { "lora_A.weight": a, "lora_B.weight": b, "lora_B.bias": bias } = this.parameters;
    const low = matmul(this.#dropout.forward(x), toF32(a), { transposeB: true });
    const update = matmul(mul(low, affine(mask, { scale: this.scaling })), toF32(b), { transposeB: true });
    return bias ? add(update, mul(affine(mask, { scale: this.scaling }), toF32(bias))) : update;
  }
}
