import { clipToNorm, gradNorm, noGrad, type Tensor } from "@lowrank/core";

/**
 * Scales the gradients so that all of them together have at most the length `maxNorm`; returns
 * their length before, a scalar tensor (NaN where a gradient holds one). As
 * `torch.nn.utils.clip_grad_norm_`.
 */
export function clipGradNorm(params: Iterable<Tensor>, maxNorm: number): Tensor {
  const grads = [...params].flatMap(({ grad }) => (grad ? [grad] : []));
  if (grads.length === 0) throw new Error("clipGradNorm: no parameter has a gradient; call backward first");
  return noGrad(() => {
    const norm = gradNorm(...grads);
    clipToNorm(...grads, norm, { maxNorm });
    return norm;
  });
}
