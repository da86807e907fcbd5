import {
  alphaOption,
  biasOption,
  dropoutOption,
  initLoraWeightsOption,
  modulesToSaveOption,
  rankOption,
  targetsOption,
} from "../shared/commonOptions.ts";
import type { MethodOption, Recipe, RecipeSettings } from "../shared/recipe.ts";
import { LoraConfig, type LoraOptions } from "./loraConfig.ts";

// Only command lines and tables need recipes and flags. The object `lora` has only their name in its field `offer`, so
// that pages are smaller.

const rates = { learningRate: 3e-3, usualLearningRate: 2e-4 };

function sizes({ r, targetModules }: RecipeSettings): Pick<LoraOptions, "r" | "loraAlpha" | "targetModules"> {
  return { r, loraAlpha: 2 * r, targetModules };
}

/**
 * Alpha of rsLoRA at every rank. Its scaling alpha / √r then falls with the rank, as the paper proposes. An alpha of
 * twice the rank would make it grow.
 */
const rsloraAlpha = 16;

/** The recipes of LoRA. */
export const loraRecipes: readonly Recipe<LoraConfig>[] = [
  { ...rates, name: "lora", title: "LoRA", common: true, config: (settings) => new LoraConfig(sizes(settings)) },
  {
    ...rates,
    name: "qlora",
    title: "QLoRA (NF4)",
    quantized: true,
    common: true,
    config: (settings) => new LoraConfig(sizes(settings)),
  },
  {
    ...rates,
    name: "dora",
    title: "DoRA",
    common: true,
    config: (settings) => new LoraConfig({ ...sizes(settings), useDora: true }),
  },
  {
    ...rates,
    name: "rslora",
    title: "rsLoRA",
    config: (settings) => new LoraConfig({ ...sizes(settings), loraAlpha: rsloraAlpha, useRslora: true }),
  },
];

/** The command-line flags of LoRA. */
export const loraFlags: readonly MethodOption[] = [
  rankOption(),
  alphaOption("loraAlpha"),
  dropoutOption("loraDropout"),
  targetsOption,
  modulesToSaveOption,
  biasOption,
  {
    field: "useRslora",
    flag: "use-rslora",
    type: "boolean",
    help: `scale by alpha / sqrt(r); alpha is then ${rsloraAlpha} unless given`,
    implies: { loraAlpha: rsloraAlpha },
  },
  {
    field: "useDora",
    flag: "use-dora",
    type: "boolean",
    help: "train the lengths of the weights' rows apart from their directions: DoRA",
  },
  {
    field: "targetParameters",
    flag: "target-parameters",
    type: "names",
    help: "weights of experts and routers to adapt, such as experts.down_proj; without --target-modules only these",
    implies: { targetModules: null },
  },
  initLoraWeightsOption("true, false, gaussian, orthogonal, pissa, pissa_niter_16, olora, eva or mica"),
  { field: "loraBias", flag: "lora-bias", type: "boolean", help: "give B a bias" },
];
