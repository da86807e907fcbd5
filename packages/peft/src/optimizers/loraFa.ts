import { affine, OptionError, solve, type Tensor } from "@lowrank/core";
import { adamStep, checkOptions, type OptionKeys } from "@lowrank/core/internal";
import { type Guard, type Module, Optimizer, type StateSpec, type Update } from "@lowrank/nn";
import { changeGradient, dampedGram, type LoraPair, loraPairs } from "./loraPairs.ts";

/** Settings of `createLoraFaOptimizer`. */
export interface LoraFaOptions {
  lr: number;
  /** Decay rates of the averages of gradients and of their squares. Default: [0.9, 0.999]. */
  betas: readonly [number, number];
  /** Term added to the root of the averaged squares, before the correction of their bias. Default: 1e-6. */
  eps: number;
  /** Decoupled weight decay. Default: 0. */
  weightDecay: number;
  /** True to correct the bias of the averages, as Adam does. Default: true. */
  correctBias: boolean;
}

const keys: OptionKeys<LoraFaOptions> = { lr: true, betas: true, eps: true, weightDecay: true, correctBias: true };

/** The damping of A Aᵀ, as in PEFT. */
const damping = 1e-8;

/** The optimiser of LoRA-FA. */
class LoraFaOptimizer extends Optimizer<LoraFaOptions> {
  readonly #pairs: readonly LoraPair[];

  constructor(params: Iterable<Tensor>, pairs: readonly LoraPair[], options: Partial<LoraFaOptions>) {
    super(params, { lr: 1e-3, betas: [0.9, 0.999], eps: 1e-6, weightDecay: 0, correctBias: true }, options);
    this.#pairs = pairs;
  }

  /** Projects the gradients of B, then updates all parameters. The projected values stay in `.grad`. */
  override step(guard?: Tensor): void {
    for (const { a, b, scaling } of this.#pairs) {
      changeGradient(b, (grad) => {
        // G (A Aᵀ)⁻¹ = ((A Aᵀ)⁻¹ Gᵀ)ᵀ, since A Aᵀ is symmetric.
        const solved = solve(dampedGram(a, damping, { transposed: false }), grad.transpose(0, 1));
        return affine(solved, { scale: 1 / scaling ** 2 }).transpose(0, 1);
      });
    }
    super.step(guard);
  }

  protected override stateSpecs({ shape }: Tensor): Record<string, StateSpec> {
    return { expAvg: { shape, dtype: "f32" }, expAvgSq: { shape, dtype: "f32" } };
  }

  protected override update(updates: readonly Update[], step: number, group: LoraFaOptions, guard: Guard): void {
    const { lr, betas, eps, weightDecay, correctBias } = group;
    const [beta1, beta2] = betas;
    const tensors = updates.flatMap(({ param, grad, state: { expAvg, expAvgSq } }) => [param, grad, expAvg, expAvgSq]);
    // Decay comes after the update here and before it in `adamStep`, so that (p - u) (1 - d) = p (1 - d) - u (1 - d).
    const kept = 1 - lr * weightDecay;
    // The root of the squares' correction divides `eps` too, which `adamStep` adds later.
    const correction = correctBias ? Math.sqrt(1 - beta2 ** step) : 1;
    const settings = {
      lr: lr * kept,
      beta1,
      beta2,
      eps: eps / correction,
      weightDecay: weightDecay / kept,
      step: correctBias ? step : Number.MAX_SAFE_INTEGER,
      decoupled: true,
    };
    adamStep(...tensors, ...guard.tensors, { ...settings, ...guard.params });
  }
}

/**
 * Returns an optimiser for LoRA-FA, like PEFT's `create_lorafa_optimizer`. LoRA-FA freezes A of every LoRA layer and
 * trains B alone, with gradients that make the change of B A as close as possible to the gradient of the whole weight:
 * G (A Aᵀ)⁻¹ / scaling². Other trained parameters, such as `modulesToSave`, are updated by AdamW. Zhang et al. 2023,
 * https://arxiv.org/abs/2308.03303
 *
 * This function freezes A (`requiresGrad` becomes false) in `model`. PEFT computes the product with G in bfloat16,
 * Lowrank in f32.
 *
 * @throws If `model` trains no LoRA layer, or trains LoRA parameters that LoRA-FA does not support: DoRA's magnitudes,
 * biases of B, and embeddings.
 *
 * @example
 * const optimizer = createLoraFaOptimizer(peft, { lr: 1e-3 });
 */
export function createLoraFaOptimizer(
  model: Module,
  options: Pick<LoraFaOptions, "lr"> & Partial<LoraFaOptions>,
): Optimizer<LoraFaOptions> {
  checkOptions("createLoraFaOptimizer", options, keys as OptionKeys<typeof options>);
  const { lr, weightDecay = 0, betas = [0.9, 0.999], eps = 1e-6 } = options;
  const refuse = (name: string, value: unknown, wanted: string): never => {
    throw new OptionError("createLoraFaOptimizer", name, value, `is ${value}; it must be ${wanted}`);
  };
  if (!(weightDecay >= 0 && lr * weightDecay < 1)) refuse("weightDecay", weightDecay, "at least 0 and below 1 / lr");
  if (!betas.every((beta) => beta >= 0 && beta < 1)) refuse("betas", betas, "two numbers from 0 to below 1");
  if (!(eps >= 0)) refuse("eps", eps, "at least 0");
  const pairs = loraPairs(model);
  if (pairs.length === 0) throw noPairs("createLoraFaOptimizer");
  const factors = new Set(pairs.flatMap(({ a, b }) => [a, b]));
  for (const [name, parameter] of model.namedParameters()) {
    if (!parameter.requiresGrad || factors.has(parameter) || !name.includes(".lora_")) continue;
    throw new Error(
      `createLoraFaOptimizer: ${name} is trained, but LoRA-FA trains only B of linear layers; leave out useDora, loraBias and embeddings`,
    );
  }
  for (const { a } of pairs) a.requiresGrad = false;
  return new LoraFaOptimizer(
    [...model.parameters()].filter(({ requiresGrad }) => requiresGrad),
    pairs,
    options,
  );
}

/** Returns the error of a model that trains no LoRA layer. */
export function noPairs(where: string): Error {
  return new Error(
    `${where}: the model has no trained pair of lora_A and lora_B; give a model with a LoRA adapter that trains`,
  );
}
