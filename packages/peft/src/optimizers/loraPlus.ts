import { OptionError } from "@lowrank/core";
import { type OptionKeys, unknownOption } from "@lowrank/core/internal";
import { Embedding, LayerNorm, type Module, type Optimizer, type Parameter, type Params } from "@lowrank/nn";
import { SavedModule } from "../layers/savedModule.ts";
import { TunerLayer } from "../layers/tunerLayer.ts";

/** Optimiser settings that LoRA+ sets differently for groups of parameters. */
interface GroupSettings {
  lr: number;
  weightDecay: number;
}

/** Options of `createLoraPlusOptimizer`, in addition to the options of the optimiser class. */
export interface LoraPlusOptions {
  /** Learning rate of A, and of all parameters for which no other option sets the rate. */
  lr: number;
  /** Learning rate of B, biases and other vectors, as a multiple of `lr`. At least 1. */
  loraplusLrRatio: number;
  /** Learning rate of LoRA's parameters on embeddings. Default: 1e-6. */
  loraplusLrEmbedding?: number;
  /** Decoupled weight decay, not applied to biases and LayerNorms. Default: 0. */
  loraplusWeightDecay?: number;
}

const loraPlusKeys: OptionKeys<LoraPlusOptions> = {
  ...({ lr: true, loraplusLrRatio: true, loraplusLrEmbedding: true, loraplusWeightDecay: true } as const),
};

/**
 * Returns a LoRA+ optimiser of the given class for the trainable parameters of `model`, with a higher learning rate for
 * B than for A. Hayou et al. 2024, https://arxiv.org/abs/2402.12354
 */
export function createLoraPlusOptimizer<O extends GroupSettings, T extends Optimizer<O>>(
  model: Module,
  OptimizerClass: new (params: Params<O>, options?: Partial<O>) => T,
  {
    lr,
    loraplusLrRatio,
    loraplusLrEmbedding = 1e-6,
    loraplusWeightDecay: weightDecay = 0,
    ...options
  }: LoraPlusOptions & Omit<Partial<O>, "lr" | "weightDecay">,
): T {
  // Only `loraplus...` options are checked here; the optimiser itself rejects other unknown options.
  const misspelt = Object.keys(options).find((key) => key.toLowerCase().startsWith("loraplus"));
  if (misspelt) throw unknownOption("createLoraPlusOptimizer", misspelt, Object.keys(loraPlusKeys));
  if (!(loraplusLrRatio >= 1)) {
    const problem = `is ${loraplusLrRatio}; it must be at least 1`;
    throw new OptionError("createLoraPlusOptimizer", "loraplusLrRatio", loraplusLrRatio, problem);
  }
  const fast = lr * loraplusLrRatio;
  const settings: Readonly<Record<GroupName, GroupSettings>> = {
    a: { lr, weightDecay },
    embedding: { lr: loraplusLrEmbedding, weightDecay },
    b: { lr: fast, weightDecay },
    undecayed: { lr: fast, weightDecay: 0 },
  };
  const modules = new Map(model.namedModules());
  const groups = new Map<GroupName, Parameter[]>();
  for (const [name, parameter] of model.namedParameters()) {
    if (!parameter.requiresGrad) continue;
    const group = groupOf(name, parameter, modules);
    groups.set(group, [...(groups.get(group) ?? []), parameter]);
  }
  const chosen = (Object.keys(settings) as GroupName[]).filter((name) => groups.has(name));
  const params = chosen.map((name) => ({ params: groups.get(name)!, ...settings[name] }));
  return new OptimizerClass(params as unknown as Params<O>, { lr, ...options } as unknown as Partial<O>);
}

type GroupName = "a" | "embedding" | "b" | "undecayed";

function groupOf(name: string, { ndim }: Parameter, modules: ReadonlyMap<string, Module>): GroupName {
  const parts = name.split(".");
  const above = (levels: number) => modules.get(parts.slice(0, -levels).join("."));
  const layer = above(2);
  if (layer instanceof TunerLayer && layer.base_layer instanceof Embedding) return "embedding";
  if (!name.includes("lora_B") && ndim !== 1) return "a";
  const whole = above(3);
  const owner = whole instanceof SavedModule ? whole.wrapped : above(1);
  return name.includes("bias") || owner instanceof LayerNorm ? "undecayed" : "b";
}
