import { noGrad, scope, type Tensor } from "@lowrank/core";
import { clipToNorm, gradNorm, widen } from "@lowrank/core/internal";
import { isHalf, writeRounded } from "./masterCopy.ts";

/**
 * Scales the gradients in place so that their total norm is at most `maxNorm`, as `torch.nn.utils.clip_grad_norm_`
 * does. Returns the norm before scaling, as a scalar tensor (NaN if a gradient contains NaN).
 */
export function clipGradNorm(params: Iterable<Tensor>, maxNorm: number): Tensor {
  const grads = [...params].flatMap(({ grad }) => (grad ? [grad] : []));
  if (grads.length === 0) throw new Error("clipGradNorm: no parameter has a gradient; call backward first");
  return noGrad(() =>
    scope(() => {
      const norm = gradNorm(...grads.map(widen));
      const wide = grads.filter((grad) => !isHalf(grad));
      if (wide.length) clipToNorm(...wide, norm, { maxNorm });
      for (const grad of grads.filter(isHalf)) {
        scope(() => {
          const copy = widen(grad);
          clipToNorm(copy, norm, { maxNorm });
          writeRounded(copy, grad);
        });
      }
      return norm;
    }),
  );
}
