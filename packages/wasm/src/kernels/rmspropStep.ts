import type { rmspropStep } from "@lowrank/core/backend";
import { guardOf } from "./guardOf.ts";
import { kernel, type WasmKernel } from "./kernel.ts";

export const rmspropStepKernel: WasmKernel = kernel<typeof rmspropStep>(
  "rmspropStep",
  (k, inputs, _outputs, params) => {
    const { lr, weightDecay, alpha, eps, momentum } = params;
    const [p, grad, mean, buffer] = params.guard === undefined ? inputs : inputs.slice(0, -1);
    const at = buffer?.ptr ?? 0;
    k.rmspropStep(
      ...([p.ptr, grad.ptr, mean.ptr, at, p.size, lr, weightDecay, alpha, 1 - alpha, eps, momentum] as const),
      ...guardOf(inputs, params),
    );
  },
);
