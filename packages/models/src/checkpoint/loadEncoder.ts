import { Generator, type OnProgress, type Tensor } from "@lowrank/core";
import { checkOptions } from "@lowrank/core/internal";
import type { HubOptions, ModelFiles } from "@lowrank/files";
import type { Parameter, QuantizationReport } from "@lowrank/nn";
import type { ClassifierConfig, TokenClassifierConfig } from "../config/architectureConfig.ts";
import type { ClassifierHead, ProblemType } from "../config/classifierHead.ts";
import type { Architecture } from "../model/architecture.ts";
import { type ParameterSource, randomParameters } from "../model/parameters.ts";
import type { ClassifierInputs } from "../model/sequenceClassifier.ts";
import { TransformerModel } from "../model/transformerModel.ts";
import type { ModelOf } from "../registry/build/buildModel.ts";
import { isHead } from "../registry/build/checkpointNames.ts";
import { describeBuilt } from "../registry/build/describeBuilt.ts";
import { loadArchitecture } from "../registry/loadArchitecture.ts";
import type { Tokenizer } from "../tokenizer/tokenizer.ts";
import { readModel, readTokenizer } from "./loadModel.ts";
import type { ModelWeights } from "./modelWeights.ts";
import { checkWeightDType, openClassifier, type WeightOptions } from "./openModel.ts";

/** An encoder without a head, with the module names of transformers' AutoModel. */
export interface Encoder extends TransformerModel {
  readonly config: Pick<ClassifierConfig, "modelType">;
  /** Returns the final hidden states f32 [B, P + T, D], of which the first P belong to virtual tokens. */
  forward(inputs: ClassifierInputs): Tensor;
}

/** A loaded encoder, with the tokenizer and the other files of its folder. */
export interface LoadedEncoder extends Omit<LoadedClassifier, "model" | "freshParameters"> {
  model: Encoder;
}

/**
 * Loads an encoder without a head, as transformers' AutoModel does, from a folder, an address or `ModelFiles`. The
 * checkpoint may have any head, which is ignored. Throws if the model is not an encoder.
 */
export async function loadEncoder(
  source: string | URL | ModelFiles,
  options: Omit<LoadClassifierOptions, "newHead"> = {},
): Promise<LoadedEncoder> {
  const newHead = { labels: ["unused"] };
  const {
    model,
    freshParameters: _,
    ...loaded
  } = await loadClassifier("loadEncoder", source, { ...options, newHead }, {});
  const { stack, defaultTargets } = await loadArchitecture(loaded.config);
  const encoder = model.getChild(stack);
  if (!(encoder instanceof TransformerModel)) {
    throw new Error(
      `${loaded.files.label} is a ${loaded.config.modelType}, which is not an encoder; give a BERT or a similar model`,
    );
  }
  encoder.defaultTargets = defaultTargets;
  for (const [name, parameter] of model.namedParameters()) if (!name.startsWith(`${stack}.`)) parameter.dispose();
  return { ...loaded, model: encoder as Encoder };
}

/** Options of a new head, for a checkpoint without a head or with a head for another task. */
export interface NewHead {
  /** Number of labels, or their names. */
  labels: number | readonly string[];
  /**
   * The kind of problem, which selects the loss. Default: regression for one label, otherwise single-label
   * classification.
   */
  problemType?: ProblemType;
  /**
   * Id of the padding token, if the config does not set one. Decoders need it: they classify by the last token that is
   * not padding.
   */
  padTokenId?: number;
  /** Source of the random initial weights. Default: a new generator with seed 0. */
  generator?: Generator;
}

/** Options of `loadSequenceClassifier`. */
export interface LoadClassifierOptions extends Omit<WeightOptions, "weights"> {
  /** Adds a new, randomly initialised head to the checkpoint's base model, and ignores the checkpoint's own head. */
  newHead?: NewHead;
  /** Settings for hf:// addresses, such as the access token and the cache. */
  hub?: HubOptions;
  /** Progress callback for downloading files and reading tensors; see `loadModel`. */
  onProgress?: OnProgress;
  /**
   * Aborts a download, or stops loading after the current tensor. The promise rejects with the signal's reason, and all
   * memory is freed.
   */
  signal?: AbortSignal;
}

/** A loaded classifier, with the tokenizer and the other files of its folder. */
export interface LoadedClassifier<C extends ClassifierConfig = ClassifierConfig> {
  model: ModelOf<C>;
  config: C;
  /** Undefined if the folder has no tokenizer.json. */
  tokenizer: Tokenizer | undefined;
  files: ModelFiles;
  /** The layers that were quantised while loading; null without the option `quantize`. */
  quantization: QuantizationReport | null;
  /** Names of the parameters of a new head, which are randomly initialised; empty without `newHead`. */
  freshParameters: readonly string[];
}

/**
 * Loads a classifier. Adds the fields of `kind`, such as `perToken`, to the classifier's config. With `newHead`, the
 * checkpoint may have been trained for another task. `caller` is the name of the public function in error messages.
 */
async function loadClassifier<Kind extends object>(
  caller: string,
  source: string | URL | ModelFiles,
  given: LoadClassifierOptions,
  kind: Kind,
): Promise<LoadedClassifier<ClassifierConfig & Kind>> {
  checkOptions(caller, given, {
    ...({ dtype: true, quantize: true, newHead: true, hub: true, onProgress: true, signal: true } as const),
  });
  checkWeightDType(caller, given.dtype);
  const { newHead, ...options } = given;
  if (newHead) {
    checkOptions(`${caller}: newHead`, newHead, { labels: true, problemType: true, padTokenId: true, generator: true });
  }
  const opened = await openClassifier(source, options, { ...(newHead && headOf(newHead)), ...kind });
  const { files, quantization } = opened;
  const config = withPadding(opened.config, newHead?.padTokenId);
  const architecture = await loadArchitecture(config);
  const freshParameters: string[] = [];
  const weights = newHead ? withoutHeads(opened.weights, architecture, config) : opened.weights;
  const draw = randomParameters(newHead?.generator ?? new Generator(0));
  const fresh = (...asked: Parameters<ParameterSource>): Parameter | null => {
    if (!newHead || !isHead(asked[0], architecture)) return null;
    freshParameters.push(asked[0]);
    return draw(...asked);
  };
  const model = await readModel(config, weights, { ...options, fresh });
  return { model, config, tokenizer: await readTokenizer(files), files, quantization, freshParameters };
}

function withPadding<C extends ClassifierConfig>(config: C, padTokenId: number | undefined): C {
  const isMissing = "padTokenId" in config && config.padTokenId === null;
  return isMissing && padTokenId !== undefined ? { ...config, padTokenId } : config;
}

function headOf({ labels, problemType }: NewHead): ClassifierHead {
  const names = typeof labels === "number" ? Array.from({ length: labels }, (_, i) => `LABEL_${i}`) : [...labels];
  if (names.length === 0) throw new Error("newHead: labels is empty; give at least one label");
  return { labels: names, problemType: problemType ?? null };
}

/** Returns the checkpoint's tensors without the tensors of any head. The pooler is kept if the classifier uses one. */
function withoutHeads(weights: ModelWeights, architecture: Architecture, config: ClassifierConfig): ModelWeights {
  const own = new Set(describeBuilt(architecture, config).parameters.map(({ name }) => name));
  const pooler = `${architecture.stack}.pooler.`;
  const keep = (name: string) => !isHead(name, architecture) || (name.startsWith(pooler) && own.has(name));
  return { ...weights, names: () => weights.names().filter(keep) };
}

/**
 * Loads a sequence classification model. The source is a Hugging Face folder (a path or file: URL in Node, or an
 * http(s) address), the Hugging Face hub (`hf://org/name`) or `ModelFiles`. With `newHead`, the checkpoint may have
 * been trained for another task. Throws if a tensor is missing, unexpected or has the wrong shape.
 */
export async function loadSequenceClassifier(
  source: string | URL | ModelFiles,
  given: LoadClassifierOptions = {},
): Promise<LoadedClassifier> {
  return loadClassifier("loadSequenceClassifier", source, given, {});
}

/** A loaded token classifier, with the tokenizer and the other files of its folder. */
export type LoadedTokenClassifier = LoadedClassifier<TokenClassifierConfig>;

/**
 * Loads a token classification model from the same sources as `loadSequenceClassifier`. With `newHead`, the checkpoint
 * may have been trained for another task.
 */
export async function loadTokenClassifier(
  source: string | URL | ModelFiles,
  given: LoadClassifierOptions = {},
): Promise<LoadedTokenClassifier> {
  return loadClassifier("loadTokenClassifier", source, given, { problemType: null, perToken: true as const });
}
