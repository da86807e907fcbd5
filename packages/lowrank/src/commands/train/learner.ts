import { Generator, type Tensor, tensor } from "@lowrank/core";
import type { WritablePlace } from "@lowrank/files";
import { Adafactor, AdamW, AdamW8bit, Lion, Muon } from "@lowrank/nn";
import {
  createLoraPlusOptimizer,
  getPeftModel,
  type MethodFacts,
  type PeftConfig,
  type PeftModel,
  reportAdapter,
  startFromData,
  type Warning,
  type WarningCode,
} from "@lowrank/peft";
import { loadFact, methodOf } from "@lowrank/peft/internal";
import type { OptimizerName, TokenizedExample, TrainableModel, TrainerOptions } from "@lowrank/train";
import { collateAny, toInputs } from "@lowrank/train/internal";
import { describeTargets } from "../../cli/loading/describeTargets.ts";
import { warn } from "../../cli/loading/loading.ts";
import { listed } from "../../cli/optionValue.ts";
import { adapterMethods, findMethods, type Method } from "../../report/methods.ts";
import type { BaseModel, LoadedBase, TrainedModel } from "./kinds/modelKind.ts";

/** Model to train, its optimiser, and a function that saves the result. */
export interface Learner {
  readonly model: TrainedModel;
  /** The trained model, if it has an adapter that can be disabled; null for full fine-tuning. */
  readonly adapted: PeftModel<BaseModel> | null;
  /** True if initialising the adapter changed the base weights permanently. */
  readonly changesBase: boolean;
  /** True if the adapter can be merged into the weights. */
  readonly mergeable: boolean;
  /** Optimiser and learning rate, as trainer options. */
  readonly optimizer: Pick<TrainerOptions, "optimizer" | "learningRate" | "weightDecay">;
  /** Peak of the learning rate schedule. */
  readonly learningRate: number;
  /** Lines for the output about the modules that are trained. */
  readonly targets: readonly string[];
  /** Adapter's configuration; null for full fine-tuning. */
  readonly config: PeftConfig | null;
  /**
   * Writes the trained model or adapter to `place`. With `--verify`, reads the files again and returns a line that
   * compares the logits on an example; otherwise returns null.
   */
  save(place: WritablePlace): Promise<string | null>;
  /** Note for the user about the saved files; null if there is none. */
  readonly note: string | null;
}

/** Options for `makeLearner`. */
export interface LearnerOptions {
  optimizer: OptimizerName;
  method: string;
  /** Peak of the learning rate. Default: the method's usual rate. */
  lr?: number;
  weightDecay: number;
  loraplusLrRatio?: number;
  verify?: boolean;
  batchSize: number;
  seed: number;
}

/** Function that prints a line of output, such as the names of the trained modules. */
type Say = (line: string) => void;

type Loaded = Pick<LoadedBase, "model" | "tokenizer" | "shapes" | "save">;
type Batching = { padTokenId: number; maxLength: number };

/** Adds an adapter to a model and prints its targets. Trains the whole model if `config` is null. */
export async function makeLearner(
  loaded: Loaded,
  config: PeftConfig | null,
  examples: readonly TokenizedExample[],
  batching: Batching,
  options: LearnerOptions,
  say: Say,
): Promise<Learner> {
  return config === null ? wholeModel(loaded, options, say) : adapter(loaded, config, examples, batching, options, say);
}

async function wholeModel({ model, save }: Loaded, options: LearnerOptions, say: Say): Promise<Learner> {
  if (options.verify) throw new Error("--verify is for an adapter; leave it out with --method full");
  model.setRequiresGrad(true);
  const parameters = [...model.parameters()];
  const foreign = parameters.find(({ dtype }) => dtype !== "f32");
  if (foreign)
    throw new Error(`--method full needs weights in f32, but some are ${foreign.dtype}; leave --weights out`);
  const count = parameters.reduce((sum, { size }) => sum + size, 0);
  say(`all ${count.toLocaleString("en-US")} parameters train`);
  return {
    model,
    adapted: null,
    changesBase: false,
    mergeable: false,
    ...(await optimizerOf(model, null, options, say)),
    targets: [],
    config: null,
    save: async (place) => {
      model.setRequiresGrad(false);
      await save(place);
      return null;
    },
    note: null,
  };
}

async function adapter(
  loaded: Loaded,
  config: PeftConfig,
  examples: readonly TokenizedExample[],
  batching: Batching,
  options: LearnerOptions,
  say: Say,
): Promise<Learner> {
  const { model, tokenizer } = loaded;
  const method: MethodFacts<PeftConfig> = await methodOf(config);
  const start = method.startsFromWeights?.(config) ?? null;
  if (start?.measuredBy) {
    throw new Error(
      `${start.name} needs ${start.measuredBy}, which this command does not call; use another --init-lora-weights, or train with getPeftModel in code`,
    );
  }
  const subtraction = start ? await loadFact(method.subtractsStart) : undefined;
  if (start && subtraction?.refusal(config) !== null) {
    throw new Error(
      `${start.name} changes the base model, which this command does not save; use another --init-lora-weights, or train with getPeftModel in code`,
    );
  }
  if (start && options.verify) {
    throw new Error(
      `--verify cannot be used with ${start.name}: the written adapter is for the original base weights, which the command no longer has`,
    );
  }
  const generator = new Generator(options.seed);
  const onWarning = (warning: Warning) => {
    if (!doneHere.has(warning.code)) warn(warning);
  };
  const adapted = await getPeftModel(model, config, { generator, tokenizer, onWarning });
  if (method.startsFromData?.(config)) await startByData(adapted, examples, batching, options.batchSize);
  // Keeps the initial adapter. If it was subtracted from the base weights, the trained adapter can then be saved for
  // the original weights.
  const initial = start ? await adapted.adapterFiles() : undefined;
  const targets = describeTargets(adapted.targetReport);
  for (const line of targets) say(line);
  adapted.printTrainableParameters(say);
  return {
    model: adapted,
    adapted,
    changesBase: initial !== undefined,
    mergeable: (await reportAdapter(loaded.shapes, config)).mergeable,
    ...(await optimizerOf(adapted, config, options, say)),
    targets,
    config,
    save: async (place) => {
      if (options.verify) return verified(adapted, place, examples[0].inputIds.slice(0, batching.maxLength));
      await adapted.savePretrained(place, { pathInitialModelForWeightConversion: initial });
      return null;
    },
    note: initial ? `${config.peftType} less its start, for the base model as it was` : null,
  };
}

/** Writes an adapter and reads it again. The library throws if the logits differ. */
async function verified(adapted: PeftModel<BaseModel>, place: WritablePlace, ids: readonly number[]): Promise<string> {
  using inputIds = tensor(Int32Array.from(ids), { shape: [1, ids.length] });
  const [{ maxAbsDiff }] = await adapted.savePretrained(place, { verify: { inputs: { inputIds } } });
  return `read again, on an example of ${ids.length} tokens: logits differ by ${maxAbsDiff} at most`;
}

/**
 * Codes of warnings to suppress, since this command already does what they advise. It initialises adapters from data
 * ("needs-data"), and saves adapters in a form that works with the original base weights ("changed-base").
 */
const doneHere: ReadonlySet<string> = new Set(["needs-data", "changed-base"] satisfies WarningCode[]);

/** Initialises the adapter from the first examples. */
async function startByData(
  adapted: PeftModel<BaseModel>,
  examples: readonly TokenizedExample[],
  { padTokenId, maxLength }: Batching,
  batchSize: number,
): Promise<void> {
  const batchTensors: Tensor[] = [];
  const collated: Awaited<ReturnType<typeof collateAny>>[] = [];
  for (let at = 0; at < Math.min(examples.length, startBatches * batchSize); at += batchSize) {
    collated.push(await collateAny(examples.slice(at, at + batchSize), { padTokenId, maxLength }));
  }
  function* batches() {
    for (const batch of collated) {
      const { inputIds, labels, attentionMask } = toInputs(batch, adapted as unknown as TrainableModel);
      batchTensors.push(inputIds, labels, ...(attentionMask ? [attentionMask] : []));
      yield { inputIds, labels, attentionMask };
    }
  }
  try {
    await startFromData(adapted, batches());
  } finally {
    for (const tensor of batchTensors) tensor.dispose();
  }
}

/** Maximum number of batches of examples with which an adapter is initialised. */
const startBatches = 16;

/** Returns the optimiser and learning rate. With `loraplusLrRatio`, the optimiser has LoRA+'s parameter groups. */
async function optimizerOf(
  model: TrainedModel,
  config: PeftConfig | null,
  options: LearnerOptions,
  say: Say,
): Promise<Pick<Learner, "optimizer" | "learningRate">> {
  const { optimizer, weightDecay, loraplusLrRatio } = options;
  const learningRate = options.lr ?? usualRate(config, options);
  if (options.lr === undefined) say(`learning rate: ${learningRate} at its peak (--lr)`);
  if (loraplusLrRatio === undefined) return { optimizer: { optimizer, learningRate, weightDecay }, learningRate };
  if (config === null || !(await methodOf(config)).loraPlus) {
    const names = adapterMethods().flatMap(({ name, peft }) => (peft.loraPlus ? [name] : []));
    throw new Error(`--loraplus-lr-ratio is for --method ${listed(names)}; leave it out with this method`);
  }
  const settings = { lr: learningRate, loraplusLrRatio, loraplusWeightDecay: weightDecay };
  const makers = {
    adamw: () => createLoraPlusOptimizer(model, AdamW, settings),
    adamw8bit: () => createLoraPlusOptimizer(model, AdamW8bit, settings),
    lion: () => createLoraPlusOptimizer(model, Lion, settings),
    adafactor: () => createLoraPlusOptimizer(model, Adafactor, settings),
    muon: () => createLoraPlusOptimizer(model, Muon, { ...settings, adjustLrFn: "match_rms_adamw" as const }),
  };
  return { optimizer: { optimizer: makers[optimizer]() }, learningRate };
}

/**
 * The rates of optimisers as multiples of AdamW's. Lion changes every parameter by the whole learning rate. Adafactor's
 * rate is a share of a parameter's size: 150 times AdamW's rate gave the same loss on nano.
 */
const rateFactors: Readonly<Partial<Record<OptimizerName, number>>> = { lion: 1 / 10, adafactor: 150 };

/**
 * Returns the learning rate of a run that does not set `--lr`: the usual rate of its method, times a factor of its
 * optimiser.
 */
export function usualRate(
  config: PeftConfig | null,
  { method, optimizer }: Pick<LearnerOptions, "method" | "optimizer">,
): number {
  return rateFor(config, findMethods([method])[0]) * (rateFactors[optimizer] ?? 1);
}

/**
 * Returns the usual learning rate for a configuration: the rate of the recipe (method preset) `named`. If the
 * configuration is for another method than `named`, returns the rate of the first recipe for the configuration's
 * method. A null configuration stands for full fine-tuning.
 */
export function rateFor(config: PeftConfig | null, named: Method): number {
  const isNamed = config === null || named.peft?.peftType === config.peftType;
  const recipe = isNamed ? named : adapterMethods().find(({ peft }) => peft.peftType === config.peftType);
  const { learningRate, usualLearningRate = learningRate } = recipe ?? named;
  return usualLearningRate;
}
