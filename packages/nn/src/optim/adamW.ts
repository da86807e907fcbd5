import { checkOptions } from "@lowrank/core/internal";
import { Adam, type AdamOptions, adamKeys } from "./adam.ts";
import type { Params } from "./optimizer.ts";

/**
 * Adam with decoupled weight decay, as `torch.optim.AdamW`.
 * Loshchilov and Hutter 2019, https://arxiv.org/abs/1711.05101
 */
export class AdamW extends Adam {
  protected override readonly decoupled: boolean = true;

  /** Defaults: lr 1e-3, betas 0.9 and 0.999, eps 1e-8, weight decay 0.01. */
  constructor(params: Params<AdamOptions>, options: Partial<AdamOptions> = {}) {
    checkOptions("AdamW", options, adamKeys);
    super(params, { weightDecay: 0.01, ...options });
  }
}
