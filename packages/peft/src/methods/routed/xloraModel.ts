import {
  add,
  affine,
  type Backend,
  eq,
  expand,
  isGradEnabled,
  keep,
  matmul,
  mul,
  noGrad,
  relu,
  scope,
  slice,
  softmax,
  sum,
  type Tensor,
  tensor,
  topk,
  where,
} from "@lowrank/core";
import type { Dropout, Module, Parameter } from "@lowrank/nn";
import type { ForwardHook } from "../shared/method.ts";
import type { XLoraConfig } from "./xloraConfig.ts";

/** The inputs of a model's `hidden` that X-LoRA reads. */
interface HiddenInputs {
  readonly cache?: { readonly length: number; readonly isStateless?: boolean; truncate?: unknown } | null;
}

type Hidden = (inputs: HiddenInputs, wanted?: "all" | "last") => Tensor;

/** A model with final hidden states. */
export type HiddenModel = Module & { hidden: Hidden; gradientCheckpointing?: boolean; needsWholeSequences?: boolean };

/** Returns true if a model has a function `hidden`, which returns final hidden states [B, T, D]. */
export function hasHidden(model: Module): model is HiddenModel {
  return typeof (model as { hidden?: unknown }).hidden === "function";
}

/** A layer's scalings of the experts: for each token [B, T, 1], or the same for all tokens. */
export type LayerScalings = readonly (Tensor | number)[];

/** Returns the index of the classifier's linear layers in PEFT's sequence of layers. */
export function linearIndices({ xloraDepth, xloraDropoutP }: XLoraConfig): number[] {
  const step = xloraDropoutP > 0 ? 3 : 2;
  return Array.from({ length: xloraDepth }, (_, i) => i * step);
}

/** Returns the name of a tensor of the classifier. */
export function classifierKey(index: number, which: "weight" | "bias"): string {
  return `internal_xlora_classifier.layers.${index}.${which}`;
}

/**
 * Returns the indices that `torch.topk` on a CPU returns for the `k` largest of `n` equal values, with n below 64 k.
 * They follow from the swaps of C++'s `nth_element`, which halves the range around the k-th place until at most 3
 * values are left.
 */
export function chosenOfEqual(n: number, k: number): ReadonlySet<number> {
  const order = Array.from({ length: n }, (_, i) => i);
  const swap = (i: number, j: number) => {
    [order[i], order[j]] = [order[j], order[i]];
  };
  let [first, last] = [0, n];
  while (last - first > 3) {
    swap(first, first + Math.floor((last - first) / 2));
    let low = first + 1;
    for (let high = last - 1; low < high; high--) swap(low++, high);
    if (low < k) first = low;
    else last = low;
  }
  return new Set(order.slice(0, k));
}

/** The parts of an `XLoraModel`. */
interface XLoraParts {
  readonly config: XLoraConfig;
  /** The classifier's tensors, by name. */
  readonly parameters: Readonly<Record<string, Parameter>>;
  readonly experts: readonly string[];
  readonly layers: number;
  readonly backend: Backend;
  readonly dropout: Dropout;
}

/**
 * Runs a model twice. The first pass has fixed scalings. From its hidden states, the classifier computes the experts'
 * scalings for each token, with which the second pass runs. `xloraModel` returns the object of an adapter.
 */
export class XLoraModel implements ForwardHook {
  readonly trains: readonly string[];
  readonly #parts: XLoraParts;
  #topK: number | null;
  #weight: number;
  #passValue: number;
  /** The scalings of the last pass, by layer; null before the first. */
  #current: ((layer: number) => LayerScalings) | null = null;
  /** The hidden states that the second pass returned to the model's head. Null while a pass runs. */
  #after: "all" | "last" | null = null;
  #latest: Tensor | null = null;
  #logging = false;
  #log: Tensor[] = [];

  constructor(parts: XLoraParts) {
    const { topKLora, globalScalingWeight, scalingPassValue, useTrainableAdapters } = parts.config;
    this.#parts = parts;
    this.trains = useTrainableAdapters ? parts.experts : [];
    this.#topK = topKLora;
    this.#weight = globalScalingWeight;
    this.#passValue = scalingPassValue;
  }

  attach(model: Module): void {
    if (!hasHidden(model)) return;
    const hidden = model.hidden.bind(model);
    const value: Hidden = (inputs, wanted = "all") => this.#run(model, hidden, inputs, wanted);
    Object.defineProperty(model, "hidden", { value, configurable: true, writable: true });
    if ("needsWholeSequences" in model) model.needsWholeSequences = true;
  }

  detach(model: Module): void {
    if (!hasHidden(model)) return;
    Reflect.deleteProperty(model, "hidden");
    this.#current = null;
    if ("needsWholeSequences" in model) model.needsWholeSequences = false;
  }

  dispose(): void {
    this.#latest?.dispose();
    this.#latest = null;
    this.clearScalingsLog();
  }

  /** Sets how many experts each token uses. Null: all. */
  setTopkLora(value: number | null): void {
    const most = this.#parts.experts.length;
    if (value !== null && !(Number.isInteger(value) && value >= 1 && value <= most)) {
      throw new Error(`setTopkLora: the value is ${value}; give null, or an integer from 1 to ${most}`);
    }
    this.#topK = value;
  }

  /** Sets the factor of the update of every expert. */
  setGlobalScalingWeight(weight: number): void {
    if (!Number.isFinite(weight)) throw new Error(`setGlobalScalingWeight: ${weight} is no finite number`);
    this.#weight = weight;
  }

  getGlobalScalingWeight(): number {
    return this.#weight;
  }

  /** Sets the scaling of every expert in the first pass. Null: 1 divided by the number of experts. */
  setScalingPassValue(value: number | null): void {
    if (value !== null && !Number.isFinite(value)) throw new Error(`setScalingPassValue: ${value} is no finite number`);
    this.#passValue = value ?? 1 / this.#parts.experts.length;
  }

  /**
   * Returns the classifier's last scalings, f32 [B, T, layers, experts], before `topKLora` chooses experts. Null before
   * the first forward pass. The tensor is freed by the next forward pass.
   */
  getLatestScalings(): Tensor | null {
    return this.#latest;
  }

  /** Returns the logged scalings of all forward passes since logging began. `clearScalingsLog` frees them. */
  getScalingsLog(): Tensor[] {
    return [...this.#log];
  }

  /** Begins to log the scalings of every forward pass. */
  enableScalingsLogging(): void {
    this.#logging = true;
  }

  /** Stops logging. The log stays. */
  disableScalingsLogging(): void {
    this.#logging = false;
  }

  /** Empties the log and frees its tensors. */
  clearScalingsLog(): void {
    for (const scalings of this.#log) scalings.dispose();
    this.#log = [];
  }

  /** Returns the logged scalings by sequence length, each with its position in the log. */
  getBucketedScalingsLog(): Map<number, [positions: number[], scalings: Tensor[]]> {
    const buckets = new Map<number, [number[], Tensor[]]>();
    for (const [i, scalings] of this.#log.entries()) {
      const length = scalings.shape[1];
      const bucket = buckets.get(length) ?? [[], []];
      bucket[0].push(i);
      bucket[1].push(scalings);
      buckets.set(length, bucket);
    }
    return buckets;
  }

  /** Returns the scalings of the pass that runs, for one layer. Throws outside of the model's forward pass. */
  scalingsOf(layer: number): LayerScalings {
    if (this.#current) return this.#current(layer);
    throw new Error("X-LoRA has no scalings: its layers run only inside of the model's forward");
  }

  /**
   * Returns a layer's scalings [B, T, 1] for inputs with `rows` tokens. A head may run for the last token alone, or for
   * all but the last, as losses do. Null if the inputs are not tokens of the sequences.
   */
  fitted(scalings: Tensor, rows: number): Tensor | null {
    const T = scalings.shape[1];
    if (rows === T) return scalings;
    if (this.#after === "last" && rows === 1) return slice(scalings, { dim: 1, start: -1 });
    if (this.#after === "all" && rows === T - 1) return slice(scalings, { dim: 1, end: rows });
    return null;
  }

  #run(model: HiddenModel, hidden: Hidden, inputs: HiddenInputs, wanted: "all" | "last"): Tensor {
    const { cache } = inputs;
    if (cache && !cache.isStateless && (cache.length > 0 || !cache.truncate)) {
      throw new Error(
        "X-LoRA reads whole sequences, and the batch continues cached ones; give all tokens and an empty cache, as generate does",
      );
    }
    if (model.training && model.gradientCheckpointing && isGradEnabled()) {
      throw new Error(
        "X-LoRA cannot recompute its scalings in the backward pass; call gradientCheckpointingDisable on the model",
      );
    }
    const first = scope(() =>
      noGrad(() =>
        this.#within(this.#constant(), () => hidden({ ...inputs, cache: cache?.isStateless ? cache : null })),
      ),
    );
    this.#parts.dropout.train(model.training);
    const scalings = this.#classify(first);
    this.#record(scalings);
    // Not in a scope: an adapted head, which runs after `hidden`, uses the same scalings.
    this.#current = this.#byToken(scalings);
    this.#after = null;
    const output = hidden(inputs);
    this.#after = wanted;
    return wanted === "all" ? output : slice(output, { dim: 1, start: -1 });
  }

  #within<T>(scalings: (layer: number) => LayerScalings, fn: () => T): T {
    const before = this.#current;
    this.#current = scalings;
    try {
      return fn();
    } finally {
      this.#current = before;
    }
  }

  /** The scalings of the first pass. All are equal, of which `topKLora` keeps those that PyTorch keeps. */
  #constant(): (layer: number) => LayerScalings {
    const { experts, config } = this.#parts;
    const kept = this.#topK ?? experts.length;
    const value = config.enableSoftmaxTopk && this.#passValue !== 0 ? 1 / kept : this.#passValue;
    const chosen = chosenOfEqual(experts.length, kept);
    const scalings = experts.map((_, i) => (chosen.has(i) ? value : 0));
    return () => scalings;
  }

  /** Computes the scalings [B, T, layers, experts] from hidden states [B, T, D]. */
  #classify(states: Tensor): Tensor {
    const { config, parameters, dropout, experts, layers } = this.#parts;
    const indices = linearIndices(config);
    const [B, T, size] = states.shape;
    if (size !== config.hiddenSize) {
      throw new Error(
        `XLoraConfig: hiddenSize is ${config.hiddenSize}, and the model's hidden states have ${size} elements; set hiddenSize to ${size}`,
      );
    }
    let x = states;
    for (const [i, index] of indices.entries()) {
      const weight = parameters[classifierKey(index, "weight")];
      x = add(matmul(x, weight, { transposeB: true }), parameters[classifierKey(index, "bias")]);
      if (i < indices.length - 1) x = dropout.forward(relu(x));
    }
    const logits = config.layerwiseScalings
      ? x.reshape([B, T, layers, experts.length])
      : x.reshape([B, T, 1, experts.length]);
    const scalings = config.enableSoftmax
      ? softmax(affine(logits, { scale: 1 / config.softmaxTemperature }), { dim: -1 })
      : logits;
    return scalings;
  }

  #record(scalings: Tensor): void {
    const { layers } = this.#parts;
    const [B, T, , E] = scalings.shape;
    noGrad(() => {
      const all = expand(scalings.detach(), [B, T, layers, E]);
      this.#latest?.dispose();
      this.#latest = keep(all.detach());
      if (this.#logging) this.#log.push(keep(all.detach()));
    });
  }

  /** Returns a function of the layers' scalings. Layers with the same scalings share the tensors. */
  #byToken(scalings: Tensor): (layer: number) => LayerScalings {
    const { config, experts } = this.#parts;
    const chosen = this.#chosen(scalings);
    const [B, T] = scalings.shape;
    const columns = (layer: number) =>
      experts.map((_, e) => {
        const ofLayer = slice(chosen, { dim: 2, start: layer, end: layer + 1 });
        return slice(ofLayer, { dim: 3, start: e, end: e + 1 }).reshape([B, T, 1]);
      });
    if (config.layerwiseScalings) return columns;
    const shared = columns(0);
    return () => shared;
  }

  /** Returns the scalings after `topKLora` and its softmax. */
  #chosen(scalings: Tensor): Tensor {
    const { config, experts, backend } = this.#parts;
    let chosen = scalings;
    const k = this.#topK;
    if (k !== null) {
      const [, best] = topk(scalings.detach(), k);
      const indices = tensor(Int32Array.from(experts.keys()), { backend });
      const matches = eq(best.reshape([...best.shape, 1]), indices).to("f32");
      chosen = mul(scalings, sum(matches, { dim: 3 }));
    }
    if (!config.enableSoftmaxTopk) return chosen;
    const unused = eq(chosen.detach(), 0);
    const shares = softmax(where(unused, Number.NEGATIVE_INFINITY, chosen), { dim: -1 });
    return where(unused, 0, shares);
  }

  /** The factor of the update of every expert in the pass that runs. */
  get weight(): number {
    return this.#weight;
  }
}
