import type { adagradStep } from "@lowrank/core/backend";
import { kernel, type WasmKernel } from "../kernel.ts";

export const adagradStepKernel: WasmKernel = kernel<typeof adagradStep>(
  "adagradStep",
  (k, [p, grad, sum], _outputs, { lr, weightDecay, eps }) => {
    k.adagradStep(p.ptr, grad.ptr, sum.ptr, p.size, lr, weightDecay, eps);
  },
);
