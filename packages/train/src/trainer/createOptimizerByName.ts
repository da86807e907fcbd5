import type { Tensor } from "@lowrank/core";
import { OptionError } from "@lowrank/core";
import { Adafactor, type AdamOptions, AdamW8bit, Lion, Muon, type Optimizer } from "@lowrank/nn";
import type { OptimizerName, RateSetting } from "../options/trainerOptions.ts";

type Maker = (parameters: readonly Tensor[], settings: Partial<AdamOptions>) => Optimizer<RateSetting>;

const makers: Readonly<Record<Exclude<OptimizerName, "adamw">, Maker>> = {
  adamw8bit: (parameters, settings) => new AdamW8bit(parameters, settings),
  lion: (parameters, settings) => new Lion(parameters, without("lion", settings, ["eps"])),
  adafactor: (parameters, settings) => new Adafactor(parameters, without("adafactor", settings, ["betas", "eps"])),
  muon: (parameters, settings) => {
    const own = without("muon", settings, ["betas", "eps"]);
    return new Muon(parameters, { ...own, adjustLrFn: "match_rms_adamw" });
  },
};

/** Returns the settings without some of AdamW's, which the optimiser does not have. Throws if one of them is given. */
function without<K extends keyof AdamOptions>(name: OptimizerName, settings: Partial<AdamOptions>, keys: readonly K[]) {
  for (const key of keys) {
    const value = settings[key];
    if (value === undefined) continue;
    const problem = `is ${value}, which the optimizer "${name}" does not have; leave it out`;
    throw new OptionError("Trainer", key, value, problem);
  }
  return settings as Omit<Partial<AdamOptions>, K>;
}

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
