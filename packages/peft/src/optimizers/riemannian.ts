import { OptionError, solve, type Tensor } from "@lowrank/core";
import type { Module, Optimizer, Params } from "@lowrank/nn";
import { noPairs } from "./loraFa.ts";
import { changeGradient, dampedGram, loraPairs } from "./loraPairs.ts";

/** Options of `createRiemannianOptimizer`, in addition to the options of the optimiser class. */
export interface RiemannianOptions {
  lr: number;
  /** Damping that is added to the diagonals of A Aᵀ and Bᵀ B before they are inverted. Default: 0.01. */
  reg?: number;
}

/**
 * Returns an optimiser of the given class that preconditions the gradients of LoRA's factors, like PEFT's
 * `create_riemannian_optimizer`. Before each step, the gradient of A becomes (Bᵀ B + reg I)⁻¹ times itself, and the
 * gradient of B itself times (A Aᵀ + reg I)⁻¹. Other trained parameters, and LoRA on embeddings, keep their gradients.
 * Zhang and Pilanci 2024, https://arxiv.org/abs/2402.02347
 *
 * @throws If `model` trains no pair of factors, or if their ranks differ, as with `useBdlora`.
 *
 * @example
 * const optimizer = createRiemannianOptimizer(peft, AdamW, { lr: 1e-3, weightDecay: 0 });
 */
export function createRiemannianOptimizer<O extends { lr: number }, T extends Optimizer<O>>(
  model: Module,
  OptimizerClass: new (params: Params<O>, options?: Partial<O>) => T,
  { reg = 1e-2, ...options }: RiemannianOptions & Omit<Partial<O>, "lr">,
): T {
  if (!(reg >= 0)) throw new OptionError("createRiemannianOptimizer", "reg", reg, `is ${reg}; it must be at least 0`);
  const pairs = loraPairs(model);
  if (pairs.length === 0) throw noPairs("createRiemannianOptimizer");
  for (const { a, b } of pairs) {
    if (a.shape[0] === b.shape[1]) continue;
    const sizes = `lora_A has ${a.shape[0]} rows and lora_B has ${b.shape[1]} columns`;
    throw new Error(
      `createRiemannianOptimizer: ${sizes} in a layer; train without useBdlora, or use another optimizer`,
    );
  }
  const trained = [...model.parameters()].filter(({ requiresGrad }) => requiresGrad);
  const optimizer = new OptimizerClass(trained, options as unknown as Partial<O>);
  const step = optimizer.step.bind(optimizer);
  optimizer.step = (guard?: Tensor) => {
    for (const { a, b } of pairs) {
      changeGradient(a, (grad) => solve(dampedGram(b, reg, { transposed: true }), grad));
      // G (A Aᵀ + reg I)⁻¹ = ((A Aᵀ + reg I)⁻¹ Gᵀ)ᵀ, since A Aᵀ is symmetric.
      changeGradient(b, (grad) =>
        solve(dampedGram(a, reg, { transposed: false }), grad.transpose(0, 1)).transpose(0, 1),
      );
    }
    step(guard);
  };
  return optimizer;
}
