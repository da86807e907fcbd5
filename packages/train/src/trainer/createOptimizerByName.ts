import type { Tensor } from "@lowrank/core";
import { OptionError } from "@lowrank/core";
import { type AdamOptions, AdamW8bit, Lion, type Optimizer } from "@lowrank/nn";
import type { OptimizerName, RateSetting } from "../options/trainerOptions.ts";

type Maker = (parameters: readonly Tensor[], settings: Partial<AdamOptions>) => Optimizer<RateSetting>;

const makers: Readonly<Record<Exclude<OptimizerName, "adamw">, Maker>> = {
  adamw8bit: (parameters, settings) => new AdamW8bit(parameters, settings),
  lion: (parameters, { eps, ...settings }) => {
    if (eps === undefined) return new Lion(parameters, settings);
    throw new OptionError("Trainer", "eps", eps, `is ${eps}, which the optimizer "lion" does not have; leave it out`);
  },
};

/**
 * Creates an optimiser by name. The code of these optimisers is in separate modules, so a web page downloads it only if
 * a training uses it.
 */
export function createOptimizerByName(
  name: Exclude<OptimizerName, "adamw">,
  parameters: readonly Tensor[],
  settings: Partial<AdamOptions>,
): Optimizer<RateSetting> {
  if (Object.hasOwn(makers, name)) return makers[name](parameters, settings);
  const known = ["adamw", ...Object.keys(makers)].map((own) => `"${own}"`).join(", ");
  throw new OptionError("Trainer", "optimizer", name, `is "${name}"; give ${known}, or an optimizer object`);
}
