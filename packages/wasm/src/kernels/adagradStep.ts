import type { adagradStep } from "@lowrank/core/backend";
import { guardOf } from "./guardOf.ts";
import { kernel, type WasmKernel } from "./kernel.ts";

export const adagradStepKernel: WasmKernel = kernel<typeof adagradStep>(
  "adagradStep",
  (k, inputs, _outputs, params) => {
    const [p, grad, sum] = inputs;
    const { lr, weightDecay, eps } = params;
    k.adagradStep(p.ptr, grad.ptr, sum.ptr, p.size, lr, weightDecay, eps, ...guardOf(inputs, params));
  },
);
