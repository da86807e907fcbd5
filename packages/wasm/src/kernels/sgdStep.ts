import type { sgdStep } from "@lowrank/core/backend";
import { kernel, type WasmKernel } from "../kernel.ts";

export const sgdStepKernel: WasmKernel = kernel<typeof sgdStep>(
  "sgdStep",
  (k, [p, grad, buffer], _outputs, { lr, weightDecay, momentum, dampening, nesterov, first }) => {
    const [n, f] = [Number(nesterov), Number(first)];
    k.sgdStep(p.ptr, grad.ptr, buffer?.ptr ?? 0, p.size, lr, weightDecay, momentum, 1 - dampening, n, f);
  },
);
