import { Generator, type Tensor, tensor } from "@lowrank/core";
import type { WritablePlace } from "@lowrank/files";
import { AdamW, AdamW8bit, Lion } from "@lowrank/nn";
import {
  createLoraPlusOptimizer,
  getPeftModel,
  type MethodFacts,
  methodOf,
  type PeftConfig,
  type PeftModel,
  reportAdapter,
  startFromData,
  type Warning,
  type WarningCode,
} from "@lowrank/peft";
import {
  collateAny,
  type OptimizerName,
  type TokenizedExample,
  type TrainableModel,
  type TrainerOptions,
  toInputs,
} from "@lowrank/train";
import { describeTargets } from "../../cli/loading/describeTargets.ts";
import { warn } from "../../cli/loading/loading.ts";
import { listed } from "../../cli/optionValue.ts";
import { adapterMethods, findMethods, type Method } from "../../report/methods.ts";
import type { BaseModel, LoadedBase, TrainedModel } from "./kinds/modelKind.ts";

/** The object that trains: a model with its adapter, or the whole model. */
export interface Learner {
  readonly model: TrainedModel;
  /** The model whose adapter can be taken off; null where all of it trains. */
  readonly adapted: PeftModel<BaseModel> | null;
  /** True if the adapter's start changed the base weights for good. */
  readonly changesBase: boolean;
  /** True if the adapter can be merged into the weights. */
  readonly mergeable: boolean;
  /** Optimiser and learning rate, as a trainer takes them. */
  readonly optimizer: Pick<TrainerOptions, "optimizer" | "learningRate" | "weightDecay">;
  /** The peak of the learning rate. */
  readonly learningRate: number;
  /** Lines about the modules that train. */
  readonly targets: readonly string[];
  /** The adapter's configuration; null where all of the model trains. */
  readonly config: PeftConfig | null;
  /**
   * Writes the trained model or adapter to a place. With `--verify`, returns a line on the answers
   * of the files, read again, on an example.
   */
  save(place: WritablePlace): Promise<string | null>;
  /** A note about the files for the user; null for none. */
  readonly note: string | null;
}

/** Options of `makeLearner`. */
export interface LearnerOptions {
  optimizer: OptimizerName;
  method: string;
  /** Peak of the learning rate. Default: what is usual for the method. */
  lr?: number;
  weightDecay: number;
  loraplusLrRatio?: number;
  verify?: boolean;
  batchSize: number;
  seed: number;
}

/** Says a line about what trains. */
type Say = (line: string) => void;

type Loaded = Pick<LoadedBase, "model" | "tokenizer" | "shapes" | "save">;
type Batching = { padTokenId: number; maxLength: number };

/**
 * Puts an adapter on a model and says its targets. Makes the whole model
 * train if `config` is null.
 */
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
    throw new Error(`--method full trains weights in f32, and some are ${foreign.dtype}; leave --weights out`);
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
  if (start && method.subtractsStart?.refusal(config) !== null) {
    throw new Error(
      `${start.name} trains beside another base model, which this command does not write; use getPeftModel, or another start`,
    );
  }
  if (start && options.verify) {
    throw new Error(
      `--verify cannot be used with ${start.name}: what is written is for the model as it was, which is here no more`,
    );
  }
  const generator = new Generator(options.seed);
  const onWarning = (warning: Warning) => {
    if (!doneHere.has(warning.code)) warn(warning);
  };
  const adapted = await getPeftModel(model, config, { generator, tokenizer, onWarning });
  if (method.startsFromData?.(config)) await startByData(adapted, examples, batching, options.batchSize);
  // With its start, an adapter that took it out of the weights can be said for these as they were.
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

/** Writes an adapter and reads it again; the library throws where that answers otherwise. */
async function verified(adapted: PeftModel<BaseModel>, place: WritablePlace, ids: readonly number[]): Promise<string> {
  using inputIds = tensor(Int32Array.from(ids), { shape: [1, ids.length] });
  const [{ maxAbsDiff }] = await adapted.savePretrained(place, { verify: { inputs: { inputIds } } });
  return `read again, on an example of ${ids.length} tokens: logits differ by ${maxAbsDiff} at most`;
}

/**
 * The warnings that this command acts on itself: a start by data, and files for the
 * base weights as they were.
 */
const doneHere: ReadonlySet<string> = new Set(["needs-data", "changed-base"] satisfies WarningCode[]);

/** A start by data, of the first examples. */
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

/** Batches that a start by data looks at. */
const startBatches = 16;

/** The optimiser, with LoRA+'s groups where they are asked for. */
async function optimizerOf(
  model: TrainedModel,
  config: PeftConfig | null,
  options: LearnerOptions,
  say: Say,
): Promise<Pick<Learner, "optimizer" | "learningRate">> {
  const { optimizer, weightDecay, loraplusLrRatio } = options;
  // Lion moves every number by the whole rate, and so wants less of it.
  const usual = rateFor(config, findMethods([options.method])[0]) / (optimizer === "lion" ? 10 : 1);
  const learningRate = options.lr ?? usual;
  if (options.lr === undefined) say(`learning rate: ${learningRate} at its peak (--lr)`);
  if (loraplusLrRatio === undefined) return { optimizer: { optimizer, learningRate, weightDecay }, learningRate };
  if (config === null || !(await methodOf(config)).loraPlus) {
    const names = adapterMethods().flatMap(({ name, peft }) => (peft.loraPlus ? [name] : []));
    throw new Error(
      `--loraplus-lr-ratio is for --method ${listed(names)}, whose B it makes learn faster than A; leave it out`,
    );
  }
  const settings = { lr: learningRate, loraplusLrRatio, loraplusWeightDecay: weightDecay };
  const makers = {
    adamw: () => createLoraPlusOptimizer(model, AdamW, settings),
    adamw8bit: () => createLoraPlusOptimizer(model, AdamW8bit, settings),
    lion: () => createLoraPlusOptimizer(model, Lion, settings),
  };
  return { optimizer: { optimizer: makers[optimizer]() }, learningRate };
}

/** Returns the usual learning rate of a recipe, or of the method that a file says. */
export function rateFor(config: PeftConfig | null, named: Method): number {
  const isNamed = config === null || named.peft?.peftType === config.peftType;
  const recipe = isNamed ? named : adapterMethods().find(({ peft }) => peft.peftType === config.peftType);
  const { learningRate, usualLearningRate = learningRate } = recipe ?? named;
  return usualLearningRate;
}
