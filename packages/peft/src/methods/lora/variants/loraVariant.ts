import { OptionError } from "@lowrank/core";
import { checkFinite, checkFlags, checkInteger, checkOneOf, refuse } from "../../../config/checks.ts";
import type { LayerAdapter } from "../../../layers/tunerLayer.ts";
import type { LayerContext } from "../../shared/method.ts";
import type { LoraConfig } from "../loraConfig.ts";
import { type LoraVariant, loraVariants } from "../loraScaling.ts";
import { linearStart } from "../loraStart.ts";
import { AloraLinear } from "./alora.ts";
import { ArrowLinear } from "./arrow.ts";
import { KasaLinear, truncatedBase } from "./kasa.ts";
import { MontecloraLinear } from "./monteclora.ts";
import { VeloraLinear } from "./velora.ts";

/**
 * Returns the adapter of a layer for VeLoRA, KaSA, MonteCLoRA, Arrow or aLoRA. Throws for options that do not fit
 * together.
 */
export async function loraVariant(context: LayerContext<LoraConfig>, variant: LoraVariant): Promise<LayerAdapter> {
  const { config, kind, path } = context;
  checkVariant(config, variant);
  const kinds = variant === "kasaConfig" ? ["linear"] : ["linear", "conv1d"];
  if (!kinds.includes(kind)) {
    throw new OptionError("", variant, config[variant], (named) => {
      const targets = named("targetModules");
      return `${path} is of the kind ${kind}, and ${named(variant)} is for ${kinds.join(" and ")} layers; leave ${path} out of ${targets}`;
    });
  }
  const start = await linearStart(context);
  if (variant === "arrowConfig") return new ArrowLinear(context, start);
  if (variant === "aloraInvocationTokens") return new AloraLinear(context, start);
  if (variant === "veloraConfig") return new VeloraLinear(context, start);
  if (variant === "montecloraConfig") return new MontecloraLinear(context, start);
  return new KasaLinear(context, { ...start, weight: await truncatedBase(context, start) });
}

/** Throws unless the invocation tokens are token ids, and the adapter is for a language model. */
function checkInvocation(config: LoraConfig): void {
  const { aloraInvocationTokens: tokens, taskType } = config;
  const areIds = Array.isArray(tokens) && tokens.every((id) => Number.isSafeInteger(id) && id >= 0);
  if (!areIds) refuse(config, "aloraInvocationTokens", tokens, "a list of token ids");
  if (taskType === "CAUSAL_LM") return;
  refuse(config, "taskType", taskType, (named) => `"CAUSAL_LM" with ${named("aloraInvocationTokens")}`);
}

/** Throws for values of the variant's options that are out of range, and for options that exclude the variant. */
function checkVariant(config: LoraConfig, variant: LoraVariant): void {
  const { veloraConfig, kasaConfig, montecloraConfig, arrowConfig, initLoraWeights: init } = config;
  const others = [...loraVariants, "useDora", "useBdlora"] as const;
  const other = others.find((name) => name !== variant && config[name] && `${config[name]}`);
  if (other !== undefined) refuse(config, other, config[other], (named) => `left out with ${named(variant)}`);
  if (init === "mica" || (kasaConfig && init === "eva")) {
    refuse(config, "initLoraWeights", init, (named) => `another initialisation with ${named(variant)}`);
  }
  if (variant === "aloraInvocationTokens") checkInvocation(config);
  const positive = (key: string, value: number) => {
    if (!(Number.isFinite(value) && value > 0)) refuse(config, `${variant}.${key}`, value, "above 0");
  };
  if (veloraConfig) {
    checkInteger(config, "veloraConfig.numGroups", veloraConfig.numGroups);
    positive("scale", veloraConfig.scale);
    const kinds = ["batch_average", "batch_average_once", "random"];
    checkOneOf(config, "veloraConfig.initType", veloraConfig.initType, kinds);
  }
  if (kasaConfig) {
    for (const key of ["beta", "gamma"] as const) {
      const value = kasaConfig[key];
      if (!(Number.isFinite(value) && value >= 0)) refuse(config, `kasaConfig.${key}`, value, "at least 0");
    }
  }
  if (arrowConfig) {
    const { topK, routerTemperature, useGks, rngSeed } = arrowConfig;
    checkInteger(config, "arrowConfig.topK", topK);
    positive("routerTemperature", routerTemperature);
    checkFlags(config, { "arrowConfig.useGks": useGks });
    if (rngSeed !== null) checkInteger(config, "arrowConfig.rngSeed", rngSeed, 0);
    if (config.loraBias) refuse(config, "loraBias", true, (named) => `false with ${named("arrowConfig")}`);
    if (init !== true) refuse(config, "initLoraWeights", init, (named) => `true with ${named("arrowConfig")}`);
  }
  if (montecloraConfig) {
    const { numSamples, bufferSize, useEntropy, dirichletPrior, sampleScaler, klLossWeight } = montecloraConfig;
    checkInteger(config, "montecloraConfig.numSamples", numSamples);
    checkInteger(config, "montecloraConfig.bufferSize", bufferSize);
    checkFlags(config, { "montecloraConfig.useEntropy": useEntropy });
    positive("dirichletPrior", dirichletPrior);
    checkFinite(config, "montecloraConfig.sampleScaler", sampleScaler);
    checkFinite(config, "montecloraConfig.klLossWeight", klLossWeight);
  }
}
