import { type Backend, dynamicMap, keep, type Tensor, tensor } from "@lowrank/core";
import { adam8bitBlockSize, adamStep, adamStep8bit } from "@lowrank/core/internal";
import { type AdamOptions, checkBetas } from "./adam.ts";
import { type Guard, Optimizer, type Params, type StateSpec, stateLike, type Update } from "./optimizer.ts";

/** Settings of `AdamW8bit`. */
export interface AdamW8bitOptions extends AdamOptions {
  /** Parameters with fewer elements than this have moments in f32. */
  min8bitSize: number;
}

/** The values that the 256 codes stand for: one tensor [256] for the first moment and one for the second. */
interface Tables {
  first: Tensor;
  second: Tensor;
}

/**
 * AdamW that stores its moments in 8 bits, like bitsandbytes' AdamW8bit on its CPU backend. The codes use a dynamic map
 * (signed for the first moment, unsigned for the second), with one scale per block of 256 elements. State tensors have
 * bitsandbytes' names. Dettmers et al. 2022, https://arxiv.org/abs/2110.02861
 */
export class AdamW8bit extends Optimizer<AdamW8bitOptions> {
  readonly #tables = new Map<Backend, Tables>();

  /**
   * Defaults: lr 1e-3, betas 0.9 and 0.999, eps 1e-8, weight decay 0.01, 8-bit moments for parameters of 4096 elements
   * or more.
   */
  constructor(params: Params<AdamW8bitOptions>, options: Partial<AdamW8bitOptions> = {}) {
    super(params, { lr: 1e-3, betas: [0.9, 0.999], eps: 1e-8, weightDecay: 0.01, min8bitSize: 4096 }, options);
    checkBetas("AdamW8bit", this.groups);
  }

  protected override stateSpecs(param: Tensor, { min8bitSize }: AdamW8bitOptions): Record<string, StateSpec> {
    if (param.size < min8bitSize) return stateLike(param, "state1", "state2");
    const codes: StateSpec = { shape: param.shape, dtype: "u8" };
    const scales: StateSpec = { shape: [Math.ceil(param.size / adam8bitBlockSize)], dtype: "f32" };
    return { state1: codes, state2: codes, absmax1: scales, absmax2: scales };
  }

  protected override update(
    updates: readonly Update[],
    step: number,
    { lr, betas: [beta1, beta2], eps, weightDecay }: AdamW8bitOptions,
    guard: Guard,
  ): void {
    const settings = { lr, beta1, beta2, eps, weightDecay, step, ...guard.params };
    const small: Tensor[] = [];
    for (const { param, grad, state } of updates) {
      const { state1, state2, absmax1, absmax2 } = state;
      if (state1.dtype === "f32") {
        small.push(param, grad, state1, state2);
        continue;
      }
      const { first, second } = this.#tablesOn(param.storage.backend);
      adamStep8bit(param, grad, state1, state2, absmax1, absmax2, first, second, ...guard.tensors, settings);
    }
    if (small.length) adamStep(...small, ...guard.tensors, { ...settings, decoupled: true });
  }

  /** Frees the state tensors and the code tables. */
  override dispose(): void {
    super.dispose();
    for (const { first, second } of this.#tables.values()) for (const table of [first, second]) table.dispose();
    this.#tables.clear();
  }

  #tablesOn(backend: Backend): Tables {
    let tables = this.#tables.get(backend);
    if (!tables) {
      const table = (signed: boolean) => keep(tensor(dynamicMap({ signed }), { backend }));
      tables = { first: table(true), second: table(false) };
      this.#tables.set(backend, tables);
    }
    return tables;
  }
}
