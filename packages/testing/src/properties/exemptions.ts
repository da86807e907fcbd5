import { OptionError } from "@lowrank/core";
import type { AnyMethod, PeftConfig } from "@lowrank/peft";
import { isPromptMethod } from "@lowrank/peft/internal";
import type { PropertyName } from "./properties.ts";
import { alphaField, declaredRank, dropoutField } from "./shared/declaredFields.ts";

/** A reason for which a property does not apply to some methods or configurations. */
export interface Exemption {
  /** The properties that do not apply. */
  readonly properties: readonly PropertyName[];
  /** Returns true for the methods and configurations that are exempt. */
  applies(method: AnyMethod, config: PeftConfig): boolean;
  /** A sentence for `skipped` of `checkMethod`. */
  readonly reason: string;
}

const merging = ["mergeEqualsUnmerged", "unmergeRestoresBase", "requantizedMergeWithinBound"] as const;

const isPrompt = (method: AnyMethod): boolean => isPromptMethod(method);
const overwrites = (method: AnyMethod, config: PeftConfig): boolean =>
  Boolean(method.startsFromWeights?.(config as never));
const field = (config: PeftConfig, name: string): unknown => Reflect.get(config, name);

/** Methods whose new adapters change outputs by design, by `peftType`. */
const randomStarts: readonly string[] = ["VBLORA", "UNILORA", "BOTTLENECK"];

/** Methods whose new adapters change outputs unless `initWeights` is true, by `peftType`. */
const drawnStarts: readonly string[] = ["C3A"];

/** Methods that store tensors that no output depends on, by `peftType`. */
const unused: readonly string[] = ["SHADOW"];

/** Methods that add to biases, by `peftType`. */
const addedBiases: readonly string[] = ["BEFT"];

/** Methods that train copies of whole layers, by `peftType`. */
const wholeLayers: readonly string[] = ["LN_TUNING"];

/** Methods that decompose weights, and so need weights that are not quantised, by `peftType`. */
const decomposing: readonly string[] = ["OSF", "FROD", "ADAMSS", "PSOFT", "TINYLORA"];

/** Methods that project gradients, by `peftType`. */
const projecting: readonly string[] = ["OSF"];

/** Methods that bound the norms of their parameters, by `peftType`. */
const bounded: readonly string[] = ["CPT"];

/** True for PaRa, which removes a part of the weights from the start. */
const removes = (_: AnyMethod, config: PeftConfig): boolean => field(config, "para") === true;

/** Methods whose update depends on the task of each row, by `peftType`. */
const routed: readonly string[] = ["POLY"];

/** True for a second decoder with its own token embedding, which does not train the padding token. */
const ownEmbedding = (_: AnyMethod, config: PeftConfig): boolean =>
  field(config, "shareEmbeddings") === false || typeof field(config, "shadowHiddenSize") === "number";

/** True for methods whose update depends on all rows of a batch. */
const mixesRows = (method: AnyMethod): boolean => method.mixesRows === true;

/** Kinds of modules without a weight: they run layers, or add their outputs. */
const weightless: readonly string[] = ["attention", "residual", "block"];

/** True for methods that only adapt modules without a weight. */
const hasNoWeight = (method: AnyMethod): boolean =>
  !isPromptMethod(method) && method.kinds.every((kind) => weightless.includes(kind));

function trainsBiases(method: AnyMethod, config: PeftConfig): boolean {
  return !isPromptMethod(method) && (method.bias?.(config as never) ?? "none") !== "none";
}

function roundsInFiles(method: AnyMethod, config: PeftConfig): boolean {
  const form = isPromptMethod(method) ? null : (method.fileForm?.(config as never) ?? null);
  return form !== null && form.exact !== true;
}

function savesTables(method: AnyMethod, config: PeftConfig): boolean {
  return !isPromptMethod(method) && Boolean(method.trainableTokens?.(config as never));
}

function startsAtRandom({ peftType }: AnyMethod, config: PeftConfig): boolean {
  const starts = ["initWeights", "initLoraWeights", "initIa3Weights"].map((name) => field(config, name));
  const r = field(config, "r");
  const oddReflections = "applyGS" in config && typeof r === "number" && r % 2 === 1;
  const isDrawn = drawnStarts.includes(peftType) && field(config, "initWeights") !== true;
  // AdaMSS's B is zero for "orthogonal", and drawn for null.
  const orthogonal = field(config, "initLoraWeights") === "orthogonal";
  // TinyLoRA's vectors are zero unless the value is "uniform".
  const values = [false, null, "uniform"];
  const random = starts.some((start) => values.includes(start as null)) || orthogonal || oddReflections;
  return random || isDrawn || randomStarts.includes(peftType);
}

function besides(method: AnyMethod, config: PeftConfig): boolean {
  const { combines } = method;
  return combines?.kind === "products" && combines.besides(config as never) !== null;
}

/** Table of the properties that do not apply to some methods and configurations. The first match is used. */
export const exemptions: readonly Exemption[] = [
  {
    properties: merging,
    applies: isPrompt,
    reason: "the method puts virtual tokens before sequences, so that there is no weight to merge into",
  },
  {
    properties: merging,
    applies: hasNoWeight,
    reason:
      "the method adds modules next to attention, residual connections or blocks, which have no weight to merge into",
  },
  {
    properties: merging,
    applies: mixesRows,
    reason: "the update depends on the inputs, so that no weight contains it",
  },
  {
    properties: merging,
    applies: ({ peftType }) => routed.includes(peftType),
    reason: "the update depends on the tasks of the rows, so that no weight contains it",
  },
  {
    properties: ["requantizedMergeWithinBound"],
    applies: (method) => !isPromptMethod(method) && method.adaptsRows === true,
    reason: "the method changes embedding tables, which are not quantised",
  },
  {
    properties: merging,
    applies: ({ peftType }) => addedBiases.includes(peftType),
    reason: "the method adds to biases, and can be merged only into layers that have one",
  },
  {
    properties: ["requantizedMergeWithinBound"],
    applies: ({ peftType }) => wholeLayers.includes(peftType),
    reason: "the method trains whole layers, which cannot be quantised",
  },
  {
    properties: ["requantizedMergeWithinBound"],
    applies: ({ peftType }) => decomposing.includes(peftType),
    reason: "the method needs singular vectors of the weights, which must not be quantised",
  },
  {
    properties: ["onlyAdaptersGetGradients"],
    applies: ({ peftType }) => unused.includes(peftType),
    reason: "as in PEFT, no output depends on the tensors that update the state after the last block",
  },
  {
    properties: ["gradientsMatchDifferences"],
    applies: ({ peftType }) => projecting.includes(peftType),
    reason: "the method projects gradients, so that they are not those of the loss",
  },
  {
    properties: ["startsAsIdentity", "mixedBatchEqualsSingleRows"],
    applies: isPrompt,
    reason: "virtual tokens come before all sequences of a batch and change outputs from the start",
  },
  {
    properties: ["startsAsIdentity"],
    applies: startsAtRandom,
    reason: "the initial values are random, so that a new adapter changes outputs",
  },
  {
    properties: ["startsAsIdentity"],
    applies: removes,
    reason: "PaRa removes a part of the weights, so that a new adapter changes outputs",
  },
  {
    properties: [
      ...(["startsAsIdentity", "switchingLeavesNoTrace", "mixedBatchEqualsSingleRows"] as const),
      ...(["weightedSumIsLinear", "configIsApplied"] as const),
    ],
    applies: overwrites,
    reason: "the initialisation (PiSSA, OLoRA, LoftQ) overwrites base weights, which all adapters share",
  },
  {
    properties: [
      ...(["mergeEqualsUnmerged", "unmergeRestoresBase", "requantizedMergeWithinBound", "savesAndLoads"] as const),
      ...(["switchingLeavesNoTrace", "mixedBatchEqualsSingleRows", "rowsAreIndependent"] as const),
      "gradientsMatchDifferences",
    ],
    applies: (_, config) => field(config, "sampleAtInference") === true,
    reason: "outputs are drawn at random, so that each call gives others",
  },
  {
    properties: ["onlyAdaptersGetGradients", "gradientsMatchDifferences"],
    applies: (_, config) =>
      field(config, "useCayleyNeumann") === true && Number(field(config, "numCayleyNeumannTerms")) <= 1,
    reason: "a Neumann series of at most one term is the identity, which does not depend on the parameters",
  },
  {
    properties: ["gradientsMatchDifferences"],
    applies: (_, config) => field(config, "useDora") === true,
    reason: "DoRA computes gradients as if the lengths of rows were constants, as its paper proposes",
  },
  {
    properties: ["gradientsMatchDifferences"],
    applies: (_, config) => field(config, "coft") === true,
    reason: "constrained OFT projects its parameters in the forward pass, and gradients leave the projection out",
  },
  {
    properties: ["gradientsMatchDifferences"],
    applies: ({ peftType }) => bounded.includes(peftType),
    reason: "CPT projects its parameters in the forward pass, and gradients leave the projection out",
  },
  {
    properties: ["gradientsMatchDifferences"],
    applies: ownEmbedding,
    reason: "Shadow's own embedding has no gradient for the padding token, as in PyTorch",
  },
  {
    properties: ["savesAndLoads"],
    applies: roundsInFiles,
    reason: "files of this configuration store some tensors in a compressed form, which is not exact",
  },
  {
    properties: ["mixedBatchEqualsSingleRows"],
    applies: (method) => !isPromptMethod(method) && method.kinds.every((kind) => kind === "attention"),
    reason: "the method wraps attention modules, which take the whole batch",
  },
  {
    properties: ["mixedBatchEqualsSingleRows"],
    applies: ({ runsAlone }) => runsAlone !== undefined,
    reason: "the method changes how the model runs, for all rows of a batch",
  },
  {
    properties: ["mixedBatchEqualsSingleRows", "rowsAreIndependent"],
    applies: mixesRows,
    reason: "outputs depend on the other rows of the batch",
  },
  {
    properties: ["mixedBatchEqualsSingleRows", "weightedSumIsLinear"],
    applies: (method, config) => trainsBiases(method, config) || savesTables(method, config),
    reason: "the adapter has its own biases or tables, which all rows of a batch share and which cannot be combined",
  },
  {
    properties: ["weightedSumIsLinear"],
    applies: (method) => !method.combines,
    reason: "addWeightedAdapter does not combine adapters of this method",
  },
  {
    properties: ["weightedSumIsLinear"],
    applies: besides,
    reason: "the adapter does more than add a product to weights, such as DoRA's lengths of rows",
  },
  {
    properties: ["configIsApplied"],
    applies: (method, config) =>
      declaredRank(method, config) === null && alphaField(method) === null && dropoutField(method) === null,
    reason: "the method has no rank that sets the size of a saved tensor, no alpha and no dropout",
  },
  {
    properties: ["configIsApplied"],
    applies: (_, config) => !["lora", undefined].includes(field(config, "configAB") as string | undefined),
    reason: "A and B of GLoRA are no products in this configuration, so that the rank sets no size of theirs",
  },
];

/**
 * Returns the reason for which a property does not apply to a configuration; null if it applies.
 *
 * @example
 * ```ts
 * const { PROMPT_TUNING: method } = await knownMethods();
 * console.log(exemptionOf("mergeEqualsUnmerged", method, new PromptTuningConfig({ numVirtualTokens: 2 })));
 * ```
 */
export function exemptionOf(property: PropertyName, method: AnyMethod, config: PeftConfig): string | null {
  if (typeof method !== "object" || method === null || !("peftType" in method)) {
    const problem = `is ${String(method)}; give a method of knownMethods(), such as (await knownMethods()).LORA`;
    throw new OptionError("exemptionOf", "method", method, problem);
  }
  const found = exemptions.find((one) => one.properties.includes(property) && one.applies(method, config));
  return found?.reason ?? null;
}
