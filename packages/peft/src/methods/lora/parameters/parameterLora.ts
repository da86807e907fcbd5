import type { Linear, Module, UnaryModule } from "@lowrank/nn";
import { refuse } from "../../../config/checks.ts";
import type { PeftConfig } from "../../../config/peftConfig.ts";
import {
  type FoundParameters,
  findParameters,
  type LayersTarget,
  type StackedTarget,
  type StackTarget,
} from "../../../targets/parameterTargets.ts";
import type { ParameterContext, ParameterPlan, PlannedLayer } from "../../shared/parameterMethod.ts";
import type { LoraConfig } from "../loraConfig.ts";
import { loraVariants } from "../loraScaling.ts";
import { ExpertFactors, type FactorContext } from "./expertFactors.ts";
import { ExpertLinear } from "./expertLinear.ts";
import { StackLora, StackTuner } from "./stackLora.ts";

/** LoRA on the parameters that `targetParameters` names. */
export class ParameterLora implements ParameterPlan {
  readonly filePaths: Map<string, string> = new Map();
  readonly #config: LoraConfig;
  #stacked: readonly StackedTarget[] = [];

  /** Throws for options that PEFT refuses together with `targetParameters`. */
  constructor(config: LoraConfig) {
    check(config);
    this.#config = config;
  }

  find(
    model: Module,
    config: PeftConfig,
    modules: readonly (readonly [string, Module])[],
    defaultTargets: Readonly<Record<string, readonly string[]>>,
  ): FoundParameters {
    const found = findParameters(model, config, this.#config.targetParameters!, modules, defaultTargets);
    this.#stacked = found.stacked;
    for (const [path, filePath] of found.filePaths) this.filePaths.set(path, filePath);
    return found;
  }

  /**
   * Returns LoRA's adapters of stacked parameters. If the experts are linear layers, each layer gets its part of the
   * factors, and the first layer of a parameter has the factors in its file.
   */
  layers(context: ParameterContext): PlannedLayer[] {
    return this.#stacked.flatMap((target) => {
      const dtypeOf = (key: string) => context.dtypeOf(`${target.filePath}.${key}`);
      const own = { ...context, dtypeOf, config: this.#config };
      return target.kind === "stack" ? stackLayer(own, target) : expertLayers(own, target, this.filePaths);
    });
  }
}

function check(config: LoraConfig): void {
  const { loraDropout, initLoraWeights: init } = config;
  const without = (key: string, value: unknown, must: string) =>
    refuse(config, key, value, (named) => `${must} with ${named("targetParameters")}`);
  if (loraDropout !== 0) without("loraDropout", loraDropout, "0");
  for (const key of ["useDora", "loraBias", "useBdlora", ...loraVariants] as const) {
    if (config[key]) without(key, config[key], "left out");
  }
  if (typeof init === "string" && init !== "gaussian") without("initLoraWeights", init, 'true, false or "gaussian"');
}

/** Returns what PEFT puts before the names of tensors of parameter `i` of `count`: the first is the innermost. */
const nesting = (i: number, count: number): string => "base_layer.".repeat(count - 1 - i);

/** Returns the adapters of experts' linear layers. Adds the path in files of the layers that have factors. */
function expertLayers(context: FactorContext, target: LayersTarget, filePaths: Map<string, string>): PlannedLayer[] {
  const { filePath, parameters } = target;
  return parameters.flatMap(({ name, experts }, i) => {
    const rows = experts[0].map(({ base }) => base.outFeatures);
    const sizes = {
      experts: experts.length,
      inputs: experts[0][0].base.inFeatures,
      outputs: rows.reduce((sum, n) => sum + n, 0),
    };
    const prefix = nesting(i, parameters.length);
    const factors = new ExpertFactors(context, `${filePath}.${name}`, sizes, prefix);
    return experts.flatMap((layers, expert) => {
      let end = 0;
      return layers.map(({ path, base }, part): PlannedLayer => {
        const start = end;
        end += rows[part];
        const owns = expert === 0 && part === 0;
        if (owns) filePaths.set(path, filePath + (prefix && `.${prefix.slice(0, -1)}`));
        return { path, base, layer: new ExpertLinear(factors, { expert, start, end }, owns) };
      });
    });
  });
}

function stackLayer(context: FactorContext, target: StackTarget): PlannedLayer {
  const { path, base, filePath, parameters } = target;
  const factors = parameters.map(({ name }, i) => {
    const [experts, outputs, inputs] = (base as unknown as Record<string, Linear["weight"]>)[name].shape;
    const prefix = nesting(i, parameters.length);
    return {
      name,
      prefix,
      factors: new ExpertFactors(context, `${filePath}.${name}`, { experts, inputs, outputs }, prefix),
    };
  });
  const unary = base as unknown as UnaryModule;
  return { path, base: unary, layer: new StackLora(factors), wrap: (active) => new StackTuner(unary, active) };
}
