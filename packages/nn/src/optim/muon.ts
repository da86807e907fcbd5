import {
  add,
  affine,
  clamp,
  div,
  formatShape,
  matmul,
  OptionError,
  sqrt,
  square,
  sum,
  type Tensor,
} from "@lowrank/core";
import { type Guard, Optimizer, type Params, type StateSpec, stateLike, type Update } from "./optimizer.ts";
import { moveGuarded, writeGuarded } from "./writeGuarded.ts";

/**
 * Name of the rule by which Muon's learning rate depends on the shape [out, in] of a parameter. "original" multiplies
 * it by √(max(1, out / in)). "match_rms_adamw" multiplies it by 0.2 √(max(out, in)), so that updates are as large as
 * AdamW's and AdamW's learning rates can be used. "spectral_unclamped" multiplies it by √(out / in).
 */
export type MuonRate = "original" | "match_rms_adamw" | "spectral_unclamped";

/** Settings of `Muon`. */
export interface MuonOptions {
  lr: number;
  /** Decoupled weight decay. */
  weightDecay: number;
  /** Share of the old average in the running average of gradients. From 0 to below 1. */
  momentum: number;
  nesterov: boolean;
  /** The coefficients a, b and c of the Newton-Schulz iteration X ← a X + (b X Xᵀ + c (X Xᵀ)²) X. */
  nsCoefficients: readonly [number, number, number];
  /** Smallest norm by which an update is divided. */
  eps: number;
  /** Number of Newton-Schulz iterations, from 1 to 99. */
  nsSteps: number;
  adjustLrFn: MuonRate;
}

const rates: Readonly<Record<MuonRate, (rows: number, columns: number) => number>> = {
  original: (rows, columns) => Math.sqrt(Math.max(1, rows / columns)),
  match_rms_adamw: (rows, columns) => 0.2 * Math.sqrt(Math.max(rows, columns)),
  spectral_unclamped: (rows, columns) => Math.sqrt(rows / columns),
};

/** Returns a matrix with the singular vectors of `x` and singular values near 1, by Newton-Schulz iterations. */
function orthogonalized(x: Tensor, { nsCoefficients: [a, b, c], nsSteps, eps }: MuonOptions): Tensor {
  const [rows, columns] = x.shape;
  const tall = rows > columns;
  let y = div(tall ? x.transpose(0, 1) : x, clamp(sqrt(sum(square(x))), { min: eps }));
  for (let i = 0; i < nsSteps; i++) {
    const gram = matmul(y, y, { transposeB: true });
    const polynomial = add(affine(gram, { scale: b }), affine(matmul(gram, gram), { scale: c }));
    y = add(affine(y, { scale: a }), matmul(polynomial, y));
  }
  return tall ? y.transpose(0, 1) : y;
}

/**
 * Muon, as `torch.optim.Muon`: each update of a matrix is the running average of its gradients with all singular values
 * moved near 1. Every parameter must be a matrix; give embeddings, biases and norms to another optimiser, such as
 * `AdamW`. PyTorch iterates in bfloat16, Lowrank in f32, so updates differ by about 1 %. Jordan et al. 2024,
 * https://kellerjordan.github.io/posts/muon
 *
 * @example
 * const matrices = [...model.parameters()].filter(({ ndim }) => ndim === 2);
 * const optimizer = new Muon(matrices, { lr: 2e-3, adjustLrFn: "match_rms_adamw" });
 */
export class Muon extends Optimizer<MuonOptions> {
  /**
   * Defaults: lr 1e-3, weight decay 0.1, momentum 0.95 with Nesterov, coefficients 3.4445, -4.775 and 2.0315, eps 1e-7,
   * 5 iterations, "original". Throws if a parameter is not a matrix.
   */
  constructor(params: Params<MuonOptions>, options: Partial<MuonOptions> = {}) {
    const defaults: MuonOptions = {
      lr: 1e-3,
      weightDecay: 0.1,
      momentum: 0.95,
      nesterov: true,
      nsCoefficients: [3.4445, -4.775, 2.0315],
      eps: 1e-7,
      nsSteps: 5,
      adjustLrFn: "original",
    };
    super(params, defaults, options);
    for (const group of this.groups) check(group);
    for (const { shape } of this.parameters()) {
      if (shape.length === 2) continue;
      const advice = "give it to another optimizer, such as AdamW";
      throw new OptionError(
        "Muon",
        "params",
        shape,
        `has a parameter of shape ${formatShape(shape)}; Muon updates only matrices: ${advice}`,
      );
    }
  }

  protected override stateSpecs(param: Tensor): Record<string, StateSpec> {
    return stateLike(param, "momentumBuffer");
  }

  protected override update(updates: readonly Update[], _step: number, group: MuonOptions, guard: Guard): void {
    const { lr, momentum, nesterov, weightDecay, adjustLrFn } = group;
    const mixed = (x: Tensor, y: Tensor) => add(affine(x, { scale: momentum }), affine(y, { scale: 1 - momentum }));
    for (const { param, grad, state } of updates) {
      const average = mixed(state.momentumBuffer, grad);
      const update = orthogonalized(nesterov ? mixed(average, grad) : average, group);
      const rate = rates[adjustLrFn](param.shape[0], param.shape[1]);
      // The decay is lr · weightDecay, without the factor of the shape.
      moveGuarded(param, update, { lr: lr * rate, weightDecay: weightDecay / rate }, guard);
      writeGuarded(state.momentumBuffer, average, guard);
    }
  }
}

function check({ weightDecay, momentum, nsSteps, nsCoefficients, eps, adjustLrFn }: MuonOptions): void {
  const refuse = (name: string, value: unknown, wanted: string): never => {
    throw new OptionError("Muon", name, value, `is ${JSON.stringify(value)}; it must be ${wanted}`);
  };
  if (!(weightDecay >= 0)) refuse("weightDecay", weightDecay, "at least 0");
  if (!(momentum >= 0 && momentum < 1)) refuse("momentum", momentum, "from 0 to below 1");
  if (!(eps >= 0)) refuse("eps", eps, "at least 0");
  if (!(Number.isInteger(nsSteps) && nsSteps >= 1 && nsSteps < 100)) refuse("nsSteps", nsSteps, "from 1 to 99");
  if (nsCoefficients.length !== 3) refuse("nsCoefficients", nsCoefficients, "three numbers");
  if (!Object.hasOwn(rates, adjustLrFn)) refuse("adjustLrFn", adjustLrFn, `one of ${Object.keys(rates).join(", ")}`);
}
