import type { sgdStep } from "@lowrank/core/backend";
import { guardOf } from "./guardOf.ts";
import { kernel, type WasmKernel } from "./kernel.ts";

export const sgdStepKernel: WasmKernel = kernel<typeof sgdStep>("sgdStep", (k, inputs, _outputs, params) => {
  const { lr, weightDecay, momentum, dampening, nesterov, first } = params;
  const [p, grad, buffer] = params.guard === undefined ? inputs : inputs.slice(0, -1);
  const [n, f] = [Number(nesterov), Number(first)];
  k.sgdStep(
    ...([p.ptr, grad.ptr, buffer?.ptr ?? 0, p.size, lr, weightDecay, momentum, 1 - dampening, n, f] as const),
    ...guardOf(inputs, params),
  );
});
