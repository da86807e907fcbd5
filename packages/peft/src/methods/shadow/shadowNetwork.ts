import {
  add,
  affine,
  arange,
  argmax,
  binaryCrossEntropyWithLogits,
  cat,
  crossEntropy,
  expand,
  gather,
  isGradEnabled,
  linearCrossEntropy,
  matmul,
  mseLoss,
  mul,
  reshape,
  scope,
  slice,
  type Tensor,
  to,
  withBackend,
} from "@lowrank/core";
import { checkOptions, type OptionKeys } from "@lowrank/core/internal";
import {
  type AttentionCache,
  type DecoderInputs,
  type DecoderModel,
  type EnteredBlocks,
  type KVCache,
  Linear,
  type Module,
  type Parameter,
  type SecondDecoder,
  type SecondDecoderRequest,
  type UnaryModule,
} from "@lowrank/nn";
import { blockList } from "../../targets/blocks.ts";
import type { ForwardHook } from "../shared/method.ts";
import type { cacheOfBoth, secondHalf } from "./cacheOfBoth.ts";
import type { ShadowConfig } from "./shadowConfig.ts";

// B batch, T tokens, D hidden size of the model, V classes.

type Inputs = DecoderInputs & { readonly labels?: Tensor | null };
const inputKeys: OptionKeys<Inputs> = {
  ...({
    inputIds: true,
    attentionMask: true,
    positionIds: true,
    maxPosition: true,
    cache: true,
    labels: true,
  } as const),
};
type Output = { loss?: Tensor };
type Hidden = DecoderModel["hidden"];

/** A language model or sequence classifier with a second decoder. */
export interface ShadowedModel extends DecoderModel {
  secondDecoder(request: SecondDecoderRequest): Promise<SecondDecoder>;
  forward(inputs: Inputs): Output;
  loss(inputs: Inputs): Tensor;
  createCache?(batch: number, capacity: number): KVCache;
  readonly lm_head?: UnaryModule;
}

/** The functions of `cacheOfBoth.ts`. */
interface Caches {
  readonly cacheOfBoth: typeof cacheOfBoth;
  readonly secondHalf: typeof secondHalf;
}

/** The parts of a `ShadowNetwork`. */
export interface ShadowParts {
  readonly config: ShadowConfig;
  readonly model: ShadowedModel;
  readonly decoder: SecondDecoder;
  /** The path of the token embedding that both decoders use; null if the second one has its own. */
  readonly embedding: string | null;
  /** The projection of the second decoder's hidden states, [D, ...]; null if the sizes are equal. */
  readonly projection: Parameter | null;
  /** The head of a sequence classifier; null for other models. */
  readonly head: Readonly<Record<string, Parameter>> | null;
  /** The paths of the adapted blocks. */
  readonly order: readonly string[];
  /** The module of caches. It is loaded on its own, since bundlers would otherwise split the chunks of other pages. */
  readonly caches: Caches;
}

/**
 * Runs a second decoder before the model, and gives its hidden states to the first adapted block. Adds the second
 * decoder's own loss to the model's. `shadowModel` returns the object of an adapter.
 */
export class ShadowNetwork<M extends Module = Module> implements ForwardHook {
  readonly trains: readonly string[] = [];
  readonly #parts: ShadowParts;
  /** The caches that hold keys and values of both decoders. */
  readonly #caches = new WeakSet<object>();
  /** The second decoder's hidden states [B, T, D] in the pass that runs. */
  #state: Tensor | null = null;

  constructor(parts: ShadowParts) {
    this.#parts = parts;
  }

  attach(model: Module): void {
    const shadowed = model as ShadowedModel;
    const { forward, loss, createCache, hidden } = shadowed;
    const own = {
      hidden: ((inputs, ...rest) =>
        this.#state
          ? hidden.call(shadowed, inputs, ...rest)
          : this.#run(inputs, () => hidden.call(shadowed, inputs, ...rest))) as Hidden,
      loss: (inputs: Inputs) => {
        // Evaluations, such as perplexity, measure the model alone.
        if (!isGradEnabled()) return loss.call(shadowed, inputs);
        return this.#run(inputs, (state) => this.#added(loss.call(shadowed, inputs), state, inputs));
      },
      forward: (inputs: Inputs) => {
        if (!inputs.labels) return forward.call(shadowed, inputs);
        return this.#run(inputs, (state) => {
          const output = forward.call(shadowed, inputs);
          return output.loss ? { ...output, loss: this.#added(output.loss, state, inputs) } : output;
        });
      },
      ...(createCache && { createCache: (batch: number, capacity: number) => this.#createCache(batch, capacity) }),
    };
    for (const [name, value] of Object.entries(own)) {
      Object.defineProperty(model, name, { value, configurable: true, writable: true });
    }
    this.#setEnter(model, (x, layer) => (layer === this.#first ? cat([x, this.#state!], { dim: 2 }) : x));
  }

  detach(model: Module): void {
    for (const name of ["hidden", "loss", "forward", "createCache"]) Reflect.deleteProperty(model, name);
    this.#setEnter(model, null);
  }

  #setEnter(model: Module, enter: EnteredBlocks["enter"]): void {
    const [, list] = blockList(model)!;
    Object.defineProperty(list, "enter", { value: enter, configurable: true, writable: true });
  }

  dispose(): void {
    // The tuner frees the parameters.
  }

  /** The index of the first adapted block. */
  get #first(): number {
    return Number(this.#parts.order[0].split(".").at(-1));
  }

  /** Returns the second decoder's own loss on a batch with labels, without its factor, or null without a head. */
  auxiliaryLoss(inputs: Inputs & { readonly labels: Tensor }): Tensor | null {
    checkOptions("auxiliaryLoss", inputs, inputKeys);
    return scope(() =>
      withBackend(this.#parts.model.backend, () => this.#auxiliary(this.#begin(inputs), inputs, inputs.labels)),
    );
  }

  /** Runs `fn` with the second decoder's hidden states of a batch. */
  #run<T>(inputs: Inputs, fn: (state: Tensor) => T): T {
    return scope(() =>
      withBackend(this.#parts.model.backend, () => {
        const state = this.#begin(inputs);
        this.#state = state;
        try {
          return fn(state);
        } finally {
          this.#state = null;
        }
      }),
    );
  }

  /** Returns the second decoder's hidden states [B, T, D]. */
  #begin({ inputIds, attentionMask, positionIds, maxPosition, cache }: Inputs): Tensor {
    const { model, decoder, embedding, projection } = this.#parts;
    const { model: second } = decoder;
    second.train(model.training);
    // The embedding can be wrapped later, for example if it is saved whole.
    if (embedding !== null) second.setSubmodule(embedding, model.getSubmodule(embedding));
    const inputs = { inputIds, attentionMask, positionIds, ...(maxPosition !== undefined && { maxPosition }) };
    const state = second.hidden({ ...inputs, cache: cache ? this.#half(cache) : null });
    return projection ? matmul(state, projection, { transposeB: true }) : state;
  }

  #added(loss: Tensor, state: Tensor, inputs: Inputs): Tensor {
    const { auxiliaryLossWeight: scale } = this.#parts.config;
    const own = scale > 0 && inputs.labels ? this.#auxiliary(state, inputs, inputs.labels) : null;
    return own ? add(loss, affine(own, { scale })) : loss;
  }

  /** Returns the second decoder's own loss, or null if the task does not define it. */
  #auxiliary(state: Tensor, { attentionMask }: Inputs, labels: Tensor): Tensor | null {
    const { config, model, head } = this.#parts;
    if (head) return classifierLoss(logitsOf(lastRows(state, attentionMask), head), labels);
    if (config.taskType !== "CAUSAL_LM" || !model.lm_head) return null;
    const predicting = slice(state, { dim: 1, end: state.shape[1] - 1 });
    const wanted = slice(labels, { dim: 1, start: 1 });
    const lm = model.lm_head;
    return lm instanceof Linear && !lm.bias && lm.isExact
      ? linearCrossEntropy(predicting, lm.weight, wanted, { ignoreIndex: -100 })
      : crossEntropy(lm.forward(predicting), wanted, { ignoreIndex: -100 });
  }

  /** Creates a cache with layers for the model's blocks, and then for the blocks of the second decoder. */
  #createCache(batch: number, capacity: number): KVCache {
    const { model, decoder, caches } = this.#parts;
    const cache = caches.cacheOfBoth(model, decoder.model, batch, capacity);
    this.#caches.add(cache);
    return cache;
  }

  /** Returns the part of a cache that belongs to the second decoder. */
  #half(cache: AttentionCache): AttentionCache {
    if (cache.isStateless) return cache;
    if (!this.#caches.has(cache)) {
      throw new Error(
        "Shadow stores keys and values of two decoders, and this cache has those of one; create it with the model's createCache while the adapter is active",
      );
    }
    return this.#parts.caches.secondHalf(cache, this.#parts.model);
  }

  /**
   * Returns the second decoder as a language model without the base model's blocks, in evaluation mode. By default, it
   * shares its tensors with the adapter and the base model. With `copy`, it has its own tensors, and `saveModel` can
   * save it. Throws for adapters of classifiers.
   */
  async unloadShadow(options: { copy?: boolean } = {}): Promise<M> {
    checkOptions("unloadShadow", options, { copy: true });
    const { unloadShadow } = await import("./unloadShadow.ts");
    return (await unloadShadow(this.#parts, options.copy ?? false)) as Module as M;
  }
}

/** Returns logits [B, V] of a linear head for hidden states [B, D]. */
function logitsOf(rows: Tensor, { weight, bias }: Readonly<Record<string, Parameter>>): Tensor {
  const logits = matmul(rows, weight, { transposeB: true });
  return bias ? add(logits, bias) : logits;
}

/** Returns the hidden state of each sequence's last token that the mask does not exclude, [B, D]. */
function lastRows(state: Tensor, mask: Tensor | null | undefined): Tensor {
  const [B, T, D] = state.shape;
  if (!mask) return reshape(slice(state, { dim: 1, start: -1 }), [B, D]);
  const weighted = mul(to(to(mask, { dtype: "bool" }), { dtype: "f32" }), arange(0, T, { dtype: "f32" }));
  const last = reshape(argmax(weighted, { dim: 1 }), [B, 1, 1]);
  return reshape(gather(state, expand(last, [B, 1, D]), { dim: 1 }), [B, D]);
}

/** Returns the loss of a classifier's logits [B, V]. As in PEFT, it follows from V and the labels' dtype. */
function classifierLoss(logits: Tensor, labels: Tensor): Tensor {
  if (logits.shape[1] === 1) return mseLoss(logits, reshape(to(labels, { dtype: "f32" }), logits.shape));
  if (labels.dtype === "i32") return crossEntropy(logits, reshape(labels, [-1]), { ignoreIndex: -100 });
  return binaryCrossEntropyWithLogits(logits, labels);
}
