import { abs, add, affine, copyInto, keep, mean, mul, noGrad, scope, sub, type Tensor, tensor } from "@lowrank/core";
import type { Parameter } from "@lowrank/nn";
import type { LayerAdapter } from "../../layers/tunerLayer.ts";
import type { Allocator } from "../shared/method.ts";
import type { AdaLoraConfig, AdaLoraRanks } from "./adaLoraConfig.ts";

/**
 * Moving averages from which the importance of each element of a parameter is computed: the element's sensitivity
 * (|value · gradient|) and the variation of this sensitivity.
 */
interface Importance {
  sensitivity: Tensor;
  uncertainty: Tensor;
}

/**
 * Reduces AdaLoRA's ranks during training, so that important layers keep more of the total rank. Follows sections 3.2
 * and 3.3 of the AdaLoRA paper (Zhang et al. 2023, https://arxiv.org/abs/2303.10512).
 */
export class RankAllocator implements Allocator<AdaLoraConfig> {
  readonly #layers: ReadonlyMap<string, LayerAdapter>;
  readonly #importance = new Map<Parameter, Importance>();

  constructor(layers: ReadonlyMap<string, LayerAdapter>) {
    this.#layers = layers;
  }

  async update(config: AdaLoraConfig, step: number): Promise<AdaLoraConfig> {
    const { totalStep, tfinal } = config;
    if (totalStep === null) throw new Error("updateAndAllocate: the configuration has no totalStep; set it to train");
    const end = totalStep - tfinal;
    if (step > end) {
      this.#mask(config.rankPattern ?? {});
      return config;
    }
    if (step < end) noGrad(() => this.#measure(config));
    const budget = this.#budget(config, step, totalStep);
    if (budget === null) return config;
    const rankPattern = await this.#allocate(budget);
    if (step === end) this.dispose();
    if (rankPattern === null) return config;
    this.#mask(rankPattern);
    return config.with({ rankPattern });
  }

  /** Frees the moving averages. */
  dispose(): void {
    for (const { sensitivity, uncertainty } of this.#importance.values()) {
      sensitivity.dispose();
      uncertainty.dispose();
    }
    this.#importance.clear();
  }

  state({ rankPattern }: AdaLoraConfig): Map<string, Tensor> {
    const state = new Map<string, Tensor>();
    for (const [path, name, parameter] of this.#named()) {
      const { sensitivity, uncertainty } = this.#importance.get(parameter) ?? {};
      if (sensitivity) state.set(`${path}.${name}.sensitivity`, sensitivity.detach());
      if (uncertainty) state.set(`${path}.${name}.uncertainty`, uncertainty.detach());
      const stays = name === "lora_E" ? rankPattern?.[`${path}.lora_E`] : undefined;
      if (stays) state.set(`${path}.lora_E.stays`, tensor(Float32Array.from(stays, Number)));
    }
    return state;
  }

  async setState(config: AdaLoraConfig, state: ReadonlyMap<string, Tensor>): Promise<AdaLoraConfig> {
    this.dispose();
    const ranks: Record<string, boolean[]> = {};
    for (const [path, name, parameter] of this.#named()) {
      const [sensitivity, uncertainty, stays] = ["sensitivity", "uncertainty", "stays"].map((what) =>
        state.get(`${path}.${name}.${what}`),
      );
      if (sensitivity && uncertainty) {
        this.#importance.set(parameter, { sensitivity: sensitivity.detach(), uncertainty: uncertainty.detach() });
      }
      if (stays) ranks[`${path}.lora_E`] = Array.from((await stays.data()) as Float32Array, (stay) => stay === 1);
    }
    return config.with({ rankPattern: Object.keys(ranks).length > 0 ? ranks : null });
  }

  *#named(): Iterable<[path: string, name: string, parameter: Parameter]> {
    for (const [path, { parameters }] of this.#layers) {
      for (const [name, parameter] of Object.entries(parameters)) yield [path, name, parameter];
    }
  }

  get #initial(): number {
    return [...this.#layers.values()].reduce((all, { parameters }) => all + parameters.lora_E.shape[0], 0);
  }

  /**
   * Returns the total rank of all layers that is allowed after a step. It falls cubically from the initial to the
   * target rank. Returns null if no ranks change at this step.
   */
  #budget({ tinit, tfinal, deltaT, targetR }: AdaLoraConfig, step: number, totalStep: number): number | null {
    const end = totalStep - tfinal;
    if (step <= tinit || (step < end && step % deltaT !== 0)) return null;
    const target = targetR * this.#layers.size;
    const rest = 1 - (step - tinit) / (end - tinit);
    return Math.trunc((this.#initial - target) * rest ** 3 + target);
  }

  /** Updates the moving averages from the current gradients. */
  #measure({ beta1, beta2 }: AdaLoraConfig): void {
    for (const [path, name, parameter] of this.#named()) {
      const { grad, size } = parameter;
      if (size === 0) continue;
      if (!grad) {
        throw new Error(
          `updateAndAllocate: ${path}.${name} has no gradient; call it after the optimiser's step and before zeroGrad`,
        );
      }
      const before = this.#importance.get(parameter);
      const { sensitivity, uncertainty } = scope(() => {
        const importance = abs(mul(parameter, grad));
        const sensitivity = moved(before?.sensitivity, importance, beta1);
        return { sensitivity, uncertainty: moved(before?.uncertainty, abs(sub(importance, sensitivity)), beta2) };
      });
      before?.sensitivity.dispose();
      before?.uncertainty.dispose();
      this.#importance.set(parameter, { sensitivity: keep(sensitivity), uncertainty: keep(uncertainty) });
    }
  }

  /**
   * Returns which ranks of each layer to keep: the most important ones of all layers, at most `budget` in total. Null
   * if all are kept.
   */
  async #allocate(budget: number): Promise<AdaLoraRanks | null> {
    const cut = this.#initial - budget;
    if (cut <= 0) return null;
    const scores: [path: string, scores: Float32Array][] = [];
    for (const [path, { parameters }] of this.#layers) {
      if (parameters.lora_E.size === 0) continue;
      using score = noGrad(() => scope(() => this.#score(parameters)));
      scores.push([path, (await score.data()) as Float32Array]);
    }
    const sorted = Float32Array.from(scores.flatMap(([, values]) => [...values])).sort();
    const threshold = sorted[cut - 1];
    return Object.fromEntries(
      scores.map(([path, values]) => [`${path}.lora_E`, Array.from(values, (value) => value > threshold)]),
    );
  }

  /** Returns the importance of each of a layer's ranks, [r]. */
  #score({ lora_A, lora_B, lora_E }: LayerAdapter["parameters"]): Tensor {
    const of = (parameter: Parameter): Tensor => {
      const found = this.#importance.get(parameter);
      if (!found)
        throw new Error(
          "updateAndAllocate: no gradients of earlier steps were recorded; call updateAndAllocate after every training step, from step 0 on",
        );
      return mul(found.sensitivity, found.uncertainty);
    };
    const vectors = add(mean(of(lora_A), { dim: 1 }), mean(of(lora_B), { dim: 0 }));
    return add(of(lora_E).reshape([-1]), vectors);
  }

  /** Sets the singular values of removed ranks to zero. */
  #mask(rankPattern: AdaLoraRanks): void {
    for (const [path, { parameters }] of this.#layers) {
      const { lora_E } = parameters;
      const stays = rankPattern[`${path}.lora_E`];
      // A loaded adapter contains only the kept ranks, so there is nothing to mask.
      if (!stays || stays.length !== lora_E.shape[0]) continue;
      noGrad(() =>
        scope(() => {
          const mask = tensor(Float32Array.from(stays, Number), {
            shape: lora_E.shape,
            backend: lora_E.storage.backend,
          });
          copyInto(lora_E, mul(lora_E, mask));
        }),
      );
    }
  }
}

/**
 * Returns an exponential moving average after adding a value: beta · average + (1 - beta) · value. Without a previous
 * average, starts from zero.
 */
function moved(average: Tensor | undefined, value: Tensor, beta: number): Tensor {
  const share = affine(value, { scale: 1 - beta });
  return average ? add(affine(average, { scale: beta }), share) : share;
}
