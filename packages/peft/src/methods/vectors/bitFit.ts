import { OptionError } from "@lowrank/core";
import { type Module, Parameter } from "@lowrank/nn";
import { allLinear, isAllLinear, matchesPath } from "../../targets/matchTargets.ts";
import { modulesToSaveOption, targetsOption } from "../shared/commonOptions.ts";
import { LayerCopy } from "../shared/layerCopy.ts";
import { definePeftMethod, type PeftMethod } from "../shared/method.ts";
import { BitFitConfig, bitFitFormat } from "./bitFitConfig.ts";

/** Returns the paths of the modules that have a bias and match `targetModules`. */
function biased(config: BitFitConfig, model: Module): string[] {
  const { targetModules } = config;
  const all = [...model.namedModules()].filter(
    ([, module]) => (module as { bias?: unknown }).bias instanceof Parameter,
  );
  if (all.length === 0) throw new Error("BitFit trains biases, and this model has none; use LN tuning, or LoRA");
  const paths = all.map(([path]) => path);
  const linear = isAllLinear(targetModules) ? new Set(allLinear(model, config)) : null;
  const matches = (path: string) =>
    linear ? linear.has(path) : targetModules === null || matchesPath(targetModules, path);
  const found = paths.filter(matches);
  if (found.length > 0) return found;
  const kind = linear ? "linear layer" : "module";
  const problem = `matches no ${kind} with a bias; modules with a bias: ${paths.join(", ")}`;
  throw new OptionError("", "targetModules", targetModules, `${JSON.stringify(targetModules)} ${problem}`);
}

/** BitFit: trains only biases. Ben Zaken et al. 2021, https://arxiv.org/abs/2106.10199 */
export const bitFit: PeftMethod<BitFitConfig> = definePeftMethod({
  peftType: "BITFIT",
  Config: BitFitConfig,
  format: bitFitFormat,
  recipes: [{ name: "bitfit", title: "BitFit", learningRate: 1e-2, config: () => new BitFitConfig() }],
  options: [targetsOption, modulesToSaveOption],
  kinds: ["linear", "conv1d", "norm"],
  defaultTargets: {},
  targets: biased,
  mergesAlone: true,
  createLayer: (context) => new LayerCopy(context, ["bias"], ""),
});
