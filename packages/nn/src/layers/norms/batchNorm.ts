import {
  add,
  affine,
  copyInto,
  formatShape,
  mean,
  mul,
  noGrad,
  ones,
  reshape,
  rsqrt,
  scope,
  sub,
  type Tensor,
  to,
  variance,
  zeros,
} from "@lowrank/core";
import { checkOptions, onRecompute } from "@lowrank/core/internal";
import { Module } from "../../module/module.ts";
import { ModuleBuffer, Parameter } from "../../module/parameter.ts";
import { expectSizes } from "../layerSizes.ts";

/** Options of batch normalisation. */
export interface BatchNormOptions {
  /** Value added to the variance, so that it is not 0. Default 1e-5. */
  eps?: number;
  /** Weight of the current batch when the running statistics are updated. Default 0.1. */
  momentum?: number;
}

/**
 * Normalises each channel of [N, C, ...] by the mean and variance of the batch in training mode, or by the running
 * statistics in evaluation mode. Ioffe and Szegedy 2015, https://arxiv.org/abs/1502.03167
 */
abstract class BatchNorm extends Module {
  weight: Parameter;
  bias: Parameter;
  running_mean: ModuleBuffer;
  running_var: ModuleBuffer;
  num_batches_tracked: ModuleBuffer;
  readonly eps: number;
  readonly momentum: number;
  /** Ranks (numbers of dimensions) that the input may have. */
  protected abstract readonly ranks: readonly number[];

  constructor(numFeatures: number, options: BatchNormOptions = {}) {
    checkOptions(new.target.name, options, { eps: true, momentum: true });
    const { eps = 1e-5, momentum = 0.1 } = options;
    expectSizes(new.target.name, [numFeatures], `new ${new.target.name}(8)`);
    super();
    this.weight = new Parameter(ones([numFeatures]));
    this.bias = new Parameter(zeros([numFeatures]));
    this.running_mean = new ModuleBuffer(zeros([numFeatures]));
    this.running_var = new ModuleBuffer(ones([numFeatures]));
    this.num_batches_tracked = new ModuleBuffer(zeros([], { dtype: "i32" }));
    this.eps = eps;
    this.momentum = momentum;
  }

  forward(x: Tensor): Tensor {
    const channels = this.weight.size;
    if (!this.ranks.includes(x.ndim) || x.shape[1] !== channels) {
      throw new Error(
        `${this.constructor.name}: the input ${formatShape(x.shape)} is not of ${this.ranks.join(" or ")} dimensions with ${channels} channels in the second`,
      );
    }
    return scope(() => {
      const rows = [channels, ...x.shape.slice(2).map(() => 1)];
      const { centre, spread } = this.training ? this.#statistics(x) : this.#running(rows);
      const unit = mul(sub(x, centre), rsqrt(affine(spread, { shift: this.eps })));
      return add(mul(unit, reshape(this.weight, rows)), reshape(this.bias, rows));
    });
  }

  #running(rows: readonly number[]): { centre: Tensor; spread: Tensor } {
    return { centre: reshape(this.running_mean, rows), spread: reshape(this.running_var, rows) };
  }

  /** Returns the mean and variance of a batch, and updates the running statistics with them. */
  #statistics(x: Tensor): { centre: Tensor; spread: Tensor } {
    const count = x.size / this.weight.size;
    if (count < 2) {
      throw new Error(
        `${this.constructor.name}: ${formatShape(x.shape)} has ${count} value per channel, but training needs at least 2; give a larger batch`,
      );
    }
    const dim = x.shape.flatMap((_, d) => (d === 1 ? [] : [d]));
    const centre = mean(x, { dim, keepdim: true });
    const spread = variance(x, { dim, keepdim: true, correction: 0 });
    onRecompute(() => {
      throw new Error(
        `${this.constructor.name}: gradient checkpointing would count the batch twice in the running statistics; keep the layer out of the checkpoint`,
      );
    });
    noGrad(() => {
      this.#move(this.running_mean, centre, 1);
      this.#move(this.running_var, spread, count / (count - 1));
      const batches = affine(to(this.num_batches_tracked, { dtype: "f32" }), { shift: 1 });
      copyInto(this.num_batches_tracked, to(batches, { dtype: "i32" }));
    });
    return { centre, spread };
  }

  #move(running: ModuleBuffer, value: Tensor, scale: number): void {
    const step = affine(reshape(value.detach(), running.shape), { scale: scale * this.momentum });
    copyInto(running, add(affine(running, { scale: 1 - this.momentum }), step));
  }
}

/** Batch normalisation over the channels of [N, C] or [N, C, L]. */
export class BatchNorm1d extends BatchNorm {
  protected readonly ranks: readonly number[] = [2, 3];
}

/** Batch normalisation over the channels of [N, C, H, W]. */
export class BatchNorm2d extends BatchNorm {
  protected readonly ranks: readonly number[] = [4];
}
