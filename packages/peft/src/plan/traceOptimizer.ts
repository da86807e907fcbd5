import { type Backend, meta, type Tensor, withBackend } from "@lowrank/core";
import { Adafactor, Adagrad, AdamW, AdamW8bit, Lion, Muon, Parameter, RMSprop, SGD } from "@lowrank/nn";
import { Trace, type Traced } from "./trace.ts";

/** Optimisers that a memory plan supports, at their default settings. */
export type PlannedOptimizer = "adamw" | "adamw8bit" | "lion" | "adafactor" | "muon" | "adagrad" | "rmsprop" | "sgd";

const optimizers: Record<PlannedOptimizer, (params: Tensor[]) => { step(): void }> = {
  adamw: (params: Tensor[]) => new AdamW(params),
  adamw8bit: (params: Tensor[]) => new AdamW8bit(params),
  lion: (params: Tensor[]) => new Lion(params),
  adafactor: (params: Tensor[]) => new Adafactor(params),
  muon: (params: Tensor[]) => new Muon(params),
  adagrad: (params: Tensor[]) => new Adagrad(params),
  rmsprop: (params: Tensor[]) => new RMSprop(params),
  sgd: (params: Tensor[]) => new SGD(params, { lr: 1 }),
};

/** Names of the optimisers that a memory plan supports. */
export const plannedOptimizers = Object.keys(optimizers) as PlannedOptimizer[];

/**
 * Runs one optimiser step with shapes only. Returns the memory that the step needs in addition to parameters and
 * gradients.
 */
export function traceOptimizer(name: PlannedOptimizer, trained: readonly Tensor[], like?: Backend): Traced {
  const backend = meta({ like });
  return withBackend(backend, () => {
    const params = trained.map(({ shape, dtype }) => {
      const parameter = new Parameter(backend.tensor({ shape, dtype }));
      parameter.grad = parameter.detach();
      return parameter;
    });
    const trace = new Trace(backend);
    trace.phase("optimizer");
    optimizers[name](params).step();
    return trace.read();
  });
}
