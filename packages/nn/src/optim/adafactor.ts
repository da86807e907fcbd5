import {
  add,
  affine,
  clamp,
  div,
  matmul,
  maximum,
  mean,
  mul,
  OptionError,
  rsqrt,
  sqrt,
  square,
  type Tensor,
} from "@lowrank/core";
import { type Guard, Optimizer, type Params, type StateSpec, stateLike, type Update } from "./optimizer.ts";
import { moveGuarded, writeGuarded } from "./writeGuarded.ts";

/** Settings of `Adafactor`. */
export interface AdafactorOptions {
  /** Largest relative step. The step is the smaller of this value and 1 / √step, times the parameter's RMS. */
  lr: number;
  /** The share of the newest squares in the running averages is step to this power. At most 0. */
  beta2Decay: number;
  /** Smallest root mean square of gradients, or null for the epsilon of f32; and smallest RMS of a parameter. */
  eps: readonly [number | null, number];
  /** Largest RMS of an update before it is scaled down. At least 1. */
  d: number;
  /** Decoupled weight decay. */
  weightDecay: number;
}

/** The difference between 1 and the next f32 number: `torch.finfo(torch.float32).eps`. */
const f32Epsilon = 2 ** -23;

/** Returns the root mean square of all elements, as a tensor of one element. */
function rms(x: Tensor): Tensor {
  return sqrt(mean(square(x)));
}

/**
 * Adafactor, as `torch.optim.Adafactor`: Adam without momentum, whose squared gradients of a matrix [out, in] are kept
 * as averages of out rows and in columns. The state then takes almost no memory. Steps are relative to the size of the
 * parameter. Shazeer and Stern 2018, https://arxiv.org/abs/1804.04235
 *
 * @example
 * const optimizer = new Adafactor(model.parameters(), { lr: 0.01 });
 */
export class Adafactor extends Optimizer<AdafactorOptions> {
  /** Defaults: lr 0.01, beta2Decay -0.8, eps null and 1e-3, d 1, weight decay 0. */
  constructor(params: Params<AdafactorOptions>, options: Partial<AdafactorOptions> = {}) {
    super(params, { lr: 0.01, beta2Decay: -0.8, eps: [null, 1e-3], d: 1, weightDecay: 0 }, options);
    for (const group of this.groups) check(group);
  }

  protected override stateSpecs(param: Tensor): Record<string, StateSpec> {
    const { shape, ndim } = param;
    if (ndim < 2) return stateLike(param, "variance");
    return {
      rowVar: { shape: shape.with(-1, 1), dtype: "f32" },
      colVar: { shape: shape.with(-2, 1), dtype: "f32" },
    };
  }

  protected override update(
    updates: readonly Update[],
    step: number,
    { lr, beta2Decay, eps: [eps1, eps2], d, weightDecay }: AdafactorOptions,
    guard: Guard,
  ): void {
    const least = eps1 ?? f32Epsilon;
    const share = step ** beta2Decay;
    const rate = Math.min(lr, 1 / Math.sqrt(step));
    for (const { param, grad, state } of updates) {
      const next: Record<string, Tensor> = {};
      const average = (name: string, newest: Tensor) => {
        next[name] = add(affine(state[name], { scale: 1 - share }), affine(newest, { scale: share }));
        return next[name];
      };
      const squares = square(grad);
      let estimate: Tensor;
      if (param.ndim < 2) estimate = average("variance", squares);
      else {
        const rows = average("rowVar", mean(squares, { dim: -1, keepdim: true }));
        const columns = average("colVar", mean(squares, { dim: -2, keepdim: true }));
        const whole = clamp(mean(rows, { dim: -2, keepdim: true }), { min: least });
        estimate = div(matmul(rows, columns), whole);
      }
      const update = mul(rsqrt(clamp(estimate, { min: least * least })), grad);
      const size = clamp(rms(param), { min: eps2 });
      const scaled = mul(update, div(size, maximum(affine(rms(update), { scale: 1 / d }), 1)));
      // The decay is lr · weightDecay, although the rate may be less than lr.
      moveGuarded(param, scaled, { lr: rate, weightDecay: rate > 0 ? (lr * weightDecay) / rate : 0 }, guard);
      for (const [name, value] of Object.entries(next)) writeGuarded(state[name], value, guard);
    }
  }
}

function check({ beta2Decay, eps: [eps1, eps2], d, weightDecay }: AdafactorOptions): void {
  const refuse = (name: string, value: unknown, wanted: string): never => {
    throw new OptionError("Adafactor", name, value, `is ${JSON.stringify(value)}; it must be ${wanted}`);
  };
  if (!(beta2Decay <= 0)) refuse("beta2Decay", beta2Decay, "at most 0");
  if (!((eps1 === null || eps1 >= 0) && eps2 >= 0))
    refuse("eps", [eps1, eps2], "two numbers of at least 0, or null and one");
  if (!(d >= 1)) refuse("d", d, "at least 1");
  if (!(weightDecay >= 0)) refuse("weightDecay", weightDecay, "at least 0");
}
