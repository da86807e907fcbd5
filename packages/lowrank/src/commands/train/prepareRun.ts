import { parseHubAddress } from "@lowrank/files/internal";
import type { Tokenizer } from "@lowrank/models";
import type { QuantizeOptions } from "@lowrank/nn";
import type { MethodFacts, PeftConfig, PeftOptions } from "@lowrank/peft";
import { methodOf } from "@lowrank/peft/internal";
import { trainingSteps } from "@lowrank/train";
import { describeBackend } from "../../cli/loading/backends.ts";
import { checkFilesExist } from "../../cli/loading/checkInputs.ts";
import { storedQuantization } from "../../cli/loading/loading.ts";
import { isEncoder } from "../../cli/loading/modelConfig.ts";
import { plannedSteps } from "../../cli/options/adapterConfig.ts";
import { describeQuantization, givenQuantizeOptions, toQuantizeOptions } from "../../cli/options/quantizeOptions.ts";
import { trainedConfig, virtualTokens } from "../../cli/options/trainedConfig.ts";
import { listed } from "../../cli/optionValue.ts";
import { findMethods, quantizedWords } from "../../report/methods.ts";
import { indexTrainData } from "./data/openTrainData.ts";
import { defaultEvalEvery } from "./defaultEvalEvery.ts";
import type { LoadedBase } from "./kinds/modelKind.ts";
import type { CommandTask, TaskData } from "./tasks/commandTask.ts";
import { findTask, taskOfFlags, tasks } from "./tasks/index.ts";
import type { TrainCommandOptions } from "./train.ts";
import type { TrainReporter } from "./view/trainReporter.ts";

/**
 * Loaded base model. `quantize` contains the options with which its layers were quantised while loading; undefined if
 * loading did not quantise them.
 */
type PreparedBase = LoadedBase & { readonly quantize: QuantizeOptions | undefined };

/** Data and adapter configuration of a run, and values derived from them. */
export interface PreparedData {
  readonly data: TaskData;
  readonly task: CommandTask;
  /** Label names of a classifier; empty for other models. */
  readonly labels: readonly string[];
  /** Adapter's configuration; null for full fine-tuning. */
  readonly config: PeftConfig | null;
  readonly steps: number;
  readonly stepsPerEpoch: number;
  /** Steps between validations; undefined if the run validates only before and after training. */
  readonly evalEvery?: number;
  /** Number of tokens in a block, and maximum number of tokens of an example. */
  readonly lengths: { readonly blockSize: number; readonly maxLength: number };
  readonly batching: { readonly batchSize: number; readonly padTokenId: number; readonly maxLength: number };
}

/** Run with its base model loaded, ready to train. */
export interface PreparedRun extends PreparedData {
  readonly loaded: PreparedBase;
}

/** Loads model and data, and derives steps, lengths and batching. */
export async function prepareRun(options: TrainCommandOptions, voice: TrainReporter): Promise<PreparedRun> {
  const asked = await readRunOptions(options);
  const { task, labels } = asked;
  await indexTrainData(options, task.name, labels);
  voice.note(`loading ${options.model}`);
  const loaded = await loadBase(options, asked, voice);
  const { model, tokenizer, padTokenId, backend } = loaded;
  if (backend.adapter !== undefined) voice.say(`backend: ${describeBackend(backend)}`);
  if (loaded.fresh.length > 0) voice.say(`new head: ${loaded.fresh.join(", ")}, drawn by --seed`);
  const { maxPositions } = model;
  return { loaded, ...(await prepareData({ tokenizer, maxPositions, padTokenId }, options, asked, voice)) };
}

/** Values that depend only on a run's options and on its data's labels. */
interface Asked extends Pick<PreparedData, "task" | "labels"> {
  /** Makes the adapter's configuration for a number of steps; null for full fine-tuning. */
  configFor(steps: number): PeftConfig | null;
}

/** Reads the options of a run. Throws for invalid options before a model is loaded. */
export async function readRunOptions(options: TrainCommandOptions): Promise<Asked> {
  const { kind } = findTask(options.task);
  if (kind.writes && (await isEncoder(options.model))) {
    const others = tasks.filter((task) => !task.kind.writes).map(({ name }) => name);
    throw new Error(
      `--model ${options.model} is an encoder and cannot generate text, which --task ${options.task} needs; give --task ${listed(others)}`,
    );
  }
  const configFor = await trainedConfig(options, kind.taskType);
  const config = configFor(plannedSteps);
  const task = taskOfFlags(options, config === null);
  const start = config && ((await methodOf(config)) as MethodFacts<PeftConfig>).startsFromData?.(config);
  if (start && !kind.startsFromData) {
    throw new Error(
      `--task ${task.name} does not support adapters that are initialised from data; leave --init-lora-weights out, or use another method`,
    );
  }
  await checkFilesExist([...options.data, options.validation ?? [], options.peftConfig ?? []].flat());
  const labels = await kind.labelsOf(options.model, (await task.labels?.(options)) ?? []);
  return { task, labels, configFor };
}

/** Tokenizer and limits of a model, which determine how data are read. */
interface DataReader {
  readonly tokenizer: Tokenizer;
  readonly maxPositions: number;
  readonly padTokenId: number;
}

/** Reads and tokenises the data, and derives steps, lengths and batching. */
export async function prepareData(
  { tokenizer, maxPositions, padTokenId }: DataReader,
  options: TrainCommandOptions,
  { task, labels, configFor }: Asked,
  voice: TrainReporter,
): Promise<PreparedData> {
  const lengths = sequenceLengths(options, maxPositions, await virtualTokens(configFor(plannedSteps)));
  voice.note(`reading and tokenizing ${options.data.join(", ")}`);
  const data = await task.read(tokenizer, { ...options, ...lengths }, labels);
  if (labels.length > 0 && task.labels) voice.say(`labels: ${labels.join(", ")}`);
  voice.say(`data: ${data.description}`);
  const isCut = (example: unknown) => task.texts(example).some(({ inputIds }) => inputIds.length > lengths.maxLength);
  const cut = data.first.filter(isCut).length;
  if (cut > 0) {
    const most = `${lengths.maxLength} tokens (--max-length)`;
    const message = `${cut} of ${data.first.length} examples are longer than ${most}; what goes beyond is not learned`;
    voice.warn({ code: "cut-examples", message });
  }
  const { accumulate, batchSize, epochs } = options;
  const passes = { batchSize, gradientAccumulationSteps: accumulate };
  const steps = options.steps ?? trainingSteps(data.train.length, { ...passes, epochs });
  const stepsPerEpoch = trainingSteps(data.train.length, { ...passes, epochs: 1 });
  const config = configFor(steps)?.with(baseOf(options.model)) ?? null;
  const batching = { batchSize, padTokenId, maxLength: lengths.maxLength };
  const sizes = { steps, examplesPerStep: batchSize * accumulate, validationExamples: data.validation.length };
  const evalEvery = options.evalEvery ?? defaultEvalEvery(sizes);
  return { data, task, labels, config, steps, stepsPerEpoch, evalEvery, lengths, batching };
}

/**
 * Loads the model. If the method requires 4-bit weights and the stored weights are not in 4 bits, quantises them while
 * loading.
 */
async function loadBase(
  options: TrainCommandOptions,
  { task: { kind }, labels }: Asked,
  voice: TrainReporter,
): Promise<PreparedBase> {
  const given = givenQuantizeOptions(options);
  const silent = options.quiet || options.json;
  const loading = { ...options, silent, labels };
  if (!findMethods([options.method])[0].quantized) {
    if (given.length > 0)
      throw new Error(
        `${given.join(", ")} is for ${quantizedWords()}; change --method, or leave ${given.join(", ")} out`,
      );
    return { ...(await kind.load(options.model, loading)), quantize: undefined };
  }
  const stored = await storedQuantization(options.model);
  if (stored && given.length > 0) {
    throw new Error(`${options.model} is quantised already, to ${stored.quantType}; leave ${given.join(", ")} out`);
  }
  const quantize = stored ? undefined : toQuantizeOptions(options);
  const loaded = await kind.load(options.model, { ...loading, quantize });
  if (stored) voice.say(`base model: in ${stored.quantType} on disk already`);
  if (quantize && loaded.quantization) voice.say(describeQuantization(loaded.quantization, quantize));
  return { ...loaded, quantize };
}

/**
 * Returns the number of tokens in a block, and the maximum number of tokens of an example. Throws if one of them
 * exceeds the model's maximum length minus the number of virtual tokens.
 */
function sequenceLengths(
  options: TrainCommandOptions,
  positions: number,
  virtual: number,
): { blockSize: number; maxLength: number } {
  const most = positions - virtual;
  const beside = virtual === 0 ? "" : ` in addition to ${virtual} virtual tokens`;
  if (most < 2)
    throw new Error(
      `the model has ${positions} positions, which leaves no room for texts${beside}; use fewer virtual tokens, or another model`,
    );
  const { blockSize = Math.min(256, most), maxLength = most } = options;
  for (const [name, value] of Object.entries({ "--block-size": blockSize, "--max-length": maxLength })) {
    if (value > most)
      throw new Error(`${name} is ${value}, but the model has ${most} positions${beside}; give ${most} or less`);
  }
  return { blockSize, maxLength };
}

/** Returns the fields of an adapter's configuration by which PEFT finds its base model. */
function baseOf(model: string): Pick<PeftOptions, "baseModelNameOrPath" | "revision"> {
  const place = parseHubAddress(model);
  if (place?.path !== "") return { baseModelNameOrPath: model };
  return { baseModelNameOrPath: place.repo, revision: place.revision === "main" ? null : place.revision };
}
