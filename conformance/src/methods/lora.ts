import type { LoraOptions } from "@lowrank/peft";
import type { Batch } from "../batch.ts";
import type { Draw } from "../draw.ts";
import {
  commonDivisors,
  drawParameters,
  drawPattern,
  drawReplication,
  drawTargets,
  drawTokens,
  drawTying,
  type Targets,
  tiedWarning,
  untiedWarnings,
} from "../layerOptions.ts";
import { defineCases, drawBias, type MethodCases } from "../methodCases.ts";
import type { RandomBase } from "../randomBases.ts";

/** Returns the smallest side of all linear layers, which limits the rank of initialisations from the weight. */
const smallestSide = ({ linears }: RandomBase): number => Math.min(...Object.values(linears).flat());

/**
 * Draws the initialisation of A and B, and a rank that fits it. Omits randomised SVD, which is not reproducible. Omits
 * initialisations that change the base weight for half precision: Lowrank rounds the changed weight, while PEFT keeps
 * it in float32. For Conv1D layers also omits OLoRA, since PEFT treats them as linear layers.
 */
function drawStart(draw: Draw, base: RandomBase): LoraOptions {
  const taking = base.dtype !== "float32" ? [] : base.conv1d ? ["pissa"] : ["pissa", "olora"];
  const start = draw.pick([true, true, true, false, "gaussian", "orthogonal", "mica", ...taking]);
  const most = Math.min(6, smallestSide(base));
  const r = start === "orthogonal" ? 2 * draw.integer(1, most >> 1) : draw.integer(1, most);
  return start === true ? { r } : { r, initLoraWeights: start };
}

/** Draws blocks for some layers. Their number divides the layers' sizes; the rank becomes a multiple of it. */
function drawBlocks(draw: Draw, base: RandomBase, paths: readonly string[], r: number): LoraOptions {
  const nblocks = commonDivisors(base, paths, true).filter((n) => n <= 6);
  const ambiguous = paths.some((path) => paths.some((other) => other !== path && other.includes(path)));
  if (nblocks.length === 0 || ambiguous) return {};
  const n = draw.pick(nblocks);
  const a = draw.some(paths);
  const b = paths.filter((path) => !a.includes(path));
  const some = b.length > 1 && draw.chance(0.4);
  return {
    r: n * Math.max(1, Math.floor(r / n)),
    useBdlora: {
      nblocks: n,
      targetModulesBdA: a,
      ...(b.length > 0 ? { targetModulesBdB: some ? [b[0]] : b } : {}),
      ...(some ? { matchStrict: false } : {}),
    },
  };
}

/**
 * Draws VeLoRA, KaSA, MonteCLoRA or aLoRA. KaSA changes the base weight, which Lowrank rounds in half precision; its
 * rank must be below the sides of all weights, and PEFT refuses it for Conv1D. MonteCLoRA's samples are drawn in
 * training only, and both sides compute in evaluation mode. aLoRA is for language models, and fails in PEFT on routers
 * of experts.
 */
function drawVariant(draw: Draw, base: RandomBase, r: number): LoraOptions {
  const truncates = base.dtype === "float32" && !base.conv1d && r < smallestSide(base);
  const invoked = base.task === "CAUSAL_LM" && !base.parameters ? ["aloraInvocationTokens"] : [];
  const variant = draw.pick([
    ...["veloraConfig", "montecloraConfig", ...invoked, ...invoked, ...invoked],
    ...(truncates ? ["kasaConfig", "kasaConfig"] : []),
  ]);
  if (variant === "aloraInvocationTokens") {
    return { aloraInvocationTokens: Array.from({ length: draw.integer(1, 3) }, () => draw.integer(1, 9)) };
  }
  if (variant === "kasaConfig") {
    return { kasaConfig: draw.pick([{}, { beta: 0.05 }, { gamma: 0.03 }, { beta: 0, gamma: 0.1 }]) };
  }
  if (variant === "veloraConfig") {
    const initType = draw.pick(["batch_average", "batch_average_once", "random"] as const);
    return { veloraConfig: { initType, numGroups: draw.integer(1, 70), ...draw.maybe(0.3, () => ({ scale: 0.5 })) } };
  }
  const samples = draw.maybe(0.5, () => ({ numSamples: draw.integer(1, 9), sampleScaler: 0.1 }));
  const prior = draw.maybe(0.5, () => ({ dirichletPrior: 0.5, klLossWeight: 0.01, useEntropy: draw.chance(0.5) }));
  return { montecloraConfig: { ...samples, ...prior, bufferSize: 2 } };
}

/**
 * Changes drawn options to an adapter that also adapts parameters. PEFT refuses many options together with them. The
 * ranks and alphas of patterns are for parameters.
 */
function onParameters(draw: Draw, base: RandomBase, targets: Targets, drawn: LoraOptions): LoraOptions {
  const parameters = drawParameters(draw, base, targets);
  const { targetParameters: names } = parameters;
  const { loraAlpha, useRslora, bias, trainableTokenIndices } = drawn;
  const start = draw.pick([true, true, false, "gaussian"]);
  const pattern = (value: () => number) => ({ [draw.pick(names)]: value() });
  // A random start must have the size of the weights, or attention saturates.
  const most = start === false ? 2 : 24;
  return {
    ...targets.options,
    ...parameters,
    ...(start === true ? {} : { initLoraWeights: start }),
    r: draw.integer(1, 6),
    loraAlpha: Math.min(loraAlpha!, most),
    ...(useRslora === undefined ? {} : { useRslora }),
    ...(bias === undefined ? {} : { bias }),
    ...(trainableTokenIndices === undefined ? {} : { trainableTokenIndices }),
    ...draw.maybe(0.3, () => ({ rankPattern: pattern(() => draw.integer(1, 6)) })),
    ...draw.maybe(0.3, () => ({ alphaPattern: pattern(() => draw.integer(1, most)) })),
  };
}

/** Puts aLoRA's invocation tokens into rows of the batch: once or several times in most rows, at random positions. */
function drawInvocations(draw: Draw, { aloraInvocationTokens: tokens }: LoraOptions, batch: Batch): Partial<Batch> {
  if (!tokens) return {};
  const ids = batch.input_ids.map((row) => [...row]);
  for (const [r, row] of ids.entries()) {
    const start = batch.attention_mask[r].indexOf(1);
    const last = batch.attention_mask[r].lastIndexOf(1) + 1 - tokens.length;
    if (last < start) continue;
    for (let times = draw.integer(0, 2); times > 0; times--)
      row.splice(draw.integer(start, last), tokens.length, ...tokens);
  }
  const labels = batch.labels.map((row, r) =>
    (row as number[]).map((label, t) => (label === -100 ? label : ids[r][t])),
  );
  return { input_ids: ids, labels };
}

/** LoRA with all options, including DoRA and initialisations that subtract from the base weights. */
export const lora: MethodCases<LoraOptions> = defineCases({
  draw(draw, base) {
    const start = drawStart(draw, base);
    const { initLoraWeights: how } = start;
    const plain = how === undefined;
    // Other initialisations require a linear layer's weight, or an even rank.
    const anyLayer = plain || how === "mica" || how === false || how === "gaussian";
    // PEFT's LoRA turns a mixtral's missing default targets into an empty list, and then finds no layer.
    const defaults = base.config.model_type === "mixtral" ? null : base.attention;
    const targets = drawTargets(draw, base, { defaults, embedding: anyLayer });
    const onEmbedding = targets.options.targetModules?.includes(base.embedding);
    const useDora = how !== "mica" && draw.chance(0.3);
    const drawsBlocks = (plain || how === false || how === "gaussian") && !useDora && !onEmbedding && !base.conv1d;
    const blocks = drawsBlocks ? draw.maybe(0.3, () => drawBlocks(draw, base, targets.paths, start.r!)) : {};
    const inBlocks = "useBdlora" in blocks;
    const varies = !useDora && !inBlocks && !onEmbedding && how !== "mica";
    const variant = varies ? draw.maybe(0.3, () => drawVariant(draw, base, start.r!)) : {};
    const truncates = "kasaConfig" in variant;
    // A random start must have the size of the weights, or attention saturates.
    const alpha = () => draw.integer(1, how === false ? 2 : 24);
    const drawn: LoraOptions = {
      ...start,
      ...blocks,
      ...variant,
      ...targets.options,
      loraAlpha: alpha(),
      ...draw.maybe(0.2, () => ({ loraDropout: 0.1 })),
      ...draw.maybe(0.3, () => ({ useRslora: true })),
      ...(useDora ? { useDora } : {}),
      ...drawBias(draw, "lora_only"),
      ...(anyLayer && how !== "mica" && !inBlocks && !truncates
        ? draw.maybe(0.3, () => ({ rankPattern: drawPattern(draw, base, targets, () => draw.integer(1, 6)) }))
        : {}),
      ...draw.maybe(0.3, () => ({ alphaPattern: drawPattern(draw, base, targets, alpha) })),
      ...(plain && !useDora && !onEmbedding && !inBlocks ? draw.maybe(0.15, () => ({ loraBias: true })) : {}),
      ...drawTokens(draw, base, targets),
      // Starts that change the base weights cannot be used on weights that several layers share.
      ...(anyLayer && !truncates ? draw.maybe(0.15, () => drawReplication(draw, base)) : {}),
    };
    if (base.parameters && draw.chance(0.7)) return onParameters(draw, base, targets, drawn);
    // Other starts give tied layers different factors.
    const alike = plain || how === false || how === "gaussian";
    if (onEmbedding && !alike) return drawn;
    // The padding token's row of an output layer is zero, and PEFT's DoRA divides by its norm. GPT-2 has no such token.
    const divides = useDora && base.embedding !== "wte";
    const embedding = alike && !divides && !inBlocks && Object.keys(variant).length === 0 && !("loraBias" in drawn);
    if (onEmbedding && divides) return drawn;
    return { ...drawn, ...drawTying(draw, base, drawn as never, { embedding }) };
  },
  inputs: drawInvocations,
  warnings: [
    /^`lora_bias=True` was passed but .* merging LoRA weights won't be possible/,
    /^Using Rank-Stabilized LoRA/,
    // PEFT looks for the keys of patterns among modules only, and then uses them for parameters.
    /^The following (rank|alpha)_pattern keys did not match any targeted module and were ignored/,
    tiedWarning,
    ...untiedWarnings,
    // PEFT writes the kind of the last layer, which is the tied output layer.
    /^fan_in_fan_out is set to (True|False) but the target module is `(torch.nn.Linear|Conv1D)`/,
  ],
  // PEFT does not merge a bias on B into a layer without a bias. It adds the updates of all replicas of a layer to the
  // weight that they share.
  merges: ({ loraBias, layerReplication, aloraInvocationTokens }, { conv1d }) =>
    (!loraBias || conv1d) && !layerReplication && !aloraInvocationTokens,
});
