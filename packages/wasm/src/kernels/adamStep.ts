import type { adamStep } from "@lowrank/core/backend";
import { kernel, type WasmKernel } from "../kernel.ts";
import { writeSegments } from "./writeSegments.ts";

export const adamStepKernel: WasmKernel = kernel<typeof adamStep>(
  "adamStep",
  (k, inputs, _outputs, { lr, beta1, beta2, eps, weightDecay, step, decoupled }, scratch) => {
    const stepSize = lr / (1 - beta1 ** step);
    const rootFactor = 1 / Math.sqrt(1 - beta2 ** step);
    const [shrink, decay] = decoupled ? [1 - lr * weightDecay, 0] : [1, weightDecay];
    const [rest1, rest2] = [1 - beta1, 1 - beta2];
    const { table, blocks } = writeSegments(k, inputs, 4, scratch);
    k.adamStep(table, 0, blocks, beta1, rest1, beta2, rest2, stepSize, rootFactor, eps, shrink, decay);
  },
);
