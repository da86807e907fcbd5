import type { rmspropStep } from "@lowrank/core/backend";
import { kernel, type WasmKernel } from "../kernel.ts";

export const rmspropStepKernel: WasmKernel = kernel<typeof rmspropStep>(
  "rmspropStep",
  (k, [p, grad, mean, buffer], _outputs, { lr, weightDecay, alpha, eps, momentum }) => {
    const at = buffer?.ptr ?? 0;
    k.rmspropStep(p.ptr, grad.ptr, mean.ptr, at, p.size, lr, weightDecay, alpha, 1 - alpha, eps, momentum);
  },
);
