import type { adamStep } from "@lowrank/core/backend";
import { guardOf } from "./guardOf.ts";
import { kernel, type WasmKernel } from "./kernel.ts";
import { writeSegments } from "./writeSegments.ts";

export const adamStepKernel: WasmKernel = kernel<typeof adamStep>(
  "adamStep",
  (k, inputs, _outputs, params, scratch) => {
    const { lr, beta1, beta2, eps, weightDecay, step, decoupled } = params;
    const stepSize = lr / (1 - beta1 ** step);
    const rootFactor = 1 / Math.sqrt(1 - beta2 ** step);
    const [shrink, decay] = decoupled ? [1 - lr * weightDecay, 0] : [1, weightDecay];
    const [rest1, rest2] = [1 - beta1, 1 - beta2];
    const tensors = params.guard === undefined ? inputs : inputs.slice(0, -1);
    const { table, blocks } = writeSegments(k, tensors, 4, scratch);
    k.adamStep(
      ...([table, 0, blocks, beta1, rest1, beta2, rest2, stepSize, rootFactor, eps, shrink, decay] as const),
      ...guardOf(inputs, params),
    );
  },
);
