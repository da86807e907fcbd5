import { setImmediate } from "node:timers/promises";
import { Generator } from "@lowrank/core";
import type { CausalLM } from "@lowrank/models";
import type { QuantizeOptions } from "@lowrank/nn";
import { getPeftModel, type PeftModel } from "@lowrank/peft";
import { evaluate, Trainer, type TrainingResult } from "@lowrank/train";
import { describeTargets } from "./describeTargets.ts";
import { withInterrupt } from "./interrupt.ts";
import { loadWithTokenizer, storedQuantization, warn } from "./loading.ts";
import { toLoraConfig } from "./loraOptions.ts";
import { checkOutput, shellWord } from "./output.ts";
import { describeQuantization, givenQuantizeOptions, quantizeWords, toQuantizeOptions } from "./quantizeOptions.ts";
import type { TrainCommandOptions } from "./train.ts";
import { readTrainData, type TrainData } from "./trainData.ts";
import { formatSeconds, trainProgress } from "./trainProgress.ts";

/** What `lowrank train` does. */
export async function runTraining(options: TrainCommandOptions): Promise<void> {
  await checkOutput(options.output, options.model);
  console.error(`loading ${options.model}`);
  const { model, tokenizer, generationConfig, quantize } = await loadBase(options);
  const lengths = sequenceLengths(options, model.maxPositions);
  console.error(`reading and tokenizing ${options.data.join(", ")}`);
  const data = await readTrainData(tokenizer, { ...options, ...lengths });
  console.log(`data: ${data.description}`);
  const cut = data.train.filter(({ inputIds }) => inputIds.length > lengths.maxLength).length;
  if (cut > 0) {
    const most = `${lengths.maxLength} tokens (--max-length)`;
    warn(`${cut} of ${data.train.length} examples are longer than ${most}; what goes beyond is not learned`);
  }

  const padTokenId = tokenizer.padTokenId ?? generationConfig?.padTokenId ?? tokenizer.eosTokenId ?? 0;
  const batching = { batchSize: options.batchSize, padTokenId, maxLength: lengths.maxLength };
  const probe = (data.validation.length > 0 ? data.validation : data.train).slice(0, options.batchSize);
  const baseLoss = (await evaluate(model, probe, batching)).loss;

  if (options.gradientCheckpointing) model.gradientCheckpointingEnable();
  const generator = new Generator(options.seed);
  const peft = getPeftModel(model, toLoraConfig(options, options.model), { generator, onWarning: warn });
  console.log(describeTargets(peft.targetReport).join("\n"));
  peft.printTrainableParameters();
  const run = await train(peft, data, batching, options);
  await peft.savePretrained(options.output);

  const sameLoss = await peft.disableAdapter(async () => (await evaluate(peft, probe, batching)).loss);
  console.log(summary(run).join("\n"));
  console.log(baseCheck(baseLoss, sameLoss));
  console.log(nextSteps(options, quantize).join("\n"));
}

/** Loads the model, in 4 bits for qlora; one that is in 4 bits on disk already stays as it is. */
async function loadBase(options: TrainCommandOptions) {
  const given = givenQuantizeOptions(options);
  if (options.method !== "qlora") {
    if (given.length > 0) throw new Error(`${given.join(", ")} is for --method qlora; add that, or leave it out`);
    return { ...(await loadWithTokenizer(options.model, options)), quantize: undefined };
  }
  const stored = await storedQuantization(options.model);
  if (stored && given.length > 0) {
    throw new Error(`${options.model} is quantised already, to ${stored.quantType}; leave ${given.join(", ")} out`);
  }
  const quantize = stored ? undefined : toQuantizeOptions(options);
  const loaded = await loadWithTokenizer(options.model, { ...options, quantize });
  if (stored) console.log(`base model: in ${stored.quantType} on disk already`);
  if (quantize && loaded.quantization) console.log(describeQuantization(loaded.quantization, quantize));
  return { ...loaded, quantize };
}

/** Tokens in a block and in an example; throws where the model has fewer positions. */
function sequenceLengths(options: TrainCommandOptions, most: number): { blockSize: number; maxLength: number } {
  const { blockSize = Math.min(256, most), maxLength = most } = options;
  for (const [name, value] of Object.entries({ "--block-size": blockSize, "--max-length": maxLength })) {
    if (value > most) throw new Error(`${name} is ${value}, but the model has ${most} positions; give ${most} or less`);
  }
  return { blockSize, maxLength };
}

/** What was trained, and how long each step took. */
interface Run {
  result: TrainingResult;
  stepSeconds: readonly number[];
  maxSteps: number;
}

async function train(
  model: PeftModel<CausalLM>,
  data: TrainData,
  batching: { batchSize: number; padTokenId: number; maxLength: number },
  options: TrainCommandOptions,
): Promise<Run> {
  const progress = trainProgress(process.stderr);
  const stepSeconds: number[] = [];
  const work = async (signal: AbortSignal) => {
    const trainer = new Trainer(model, data.train, {
      ...batching,
      signal,
      maxSteps: options.steps,
      epochs: options.epochs,
      gradientAccumulationSteps: options.accumulate,
      optimizer: options.optimizer,
      learningRate: options.lr,
      schedule: options.schedule,
      warmupSteps: options.warmupSteps,
      weightDecay: options.weightDecay,
      maxGradNorm: options.maxGradNorm,
      seed: options.seed,
      evaluation: data.validation.length > 0 ? { examples: data.validation, every: options.evalEvery } : undefined,
      checkpoints: options.saveEvery ? { folder: options.output, every: options.saveEvery } : undefined,
      onStep: async (report) => {
        stepSeconds.push(report.seconds);
        progress.step(report);
        // Gives a Ctrl-C its turn.
        await setImmediate();
      },
      onEvaluation: (step, { loss }) =>
        progress.note(`step ${step}: validation loss ${loss.toFixed(4)} nats per token`),
    });
    if (options.resume !== undefined) await trainer.resume(options.resume);
    return { result: await trainer.train(), stepSeconds, maxSteps: trainer.maxSteps };
  };
  try {
    const note = () => progress.note("stopping after this step; Ctrl-C again stops at once, and saves nothing");
    return await withInterrupt(note, work);
  } finally {
    progress.end();
  }
}

function summary({ result, stepSeconds, maxSteps }: Run): string[] {
  const lines: string[] = [];
  const ends = new Set([...result.evaluations.slice(0, 1), ...result.evaluations.slice(-1)]);
  const losses = Array.from(ends, ({ step, evaluation: { loss, perplexity } }) => {
    return `${loss.toFixed(4)} at step ${step} (perplexity ${perplexity.toFixed(1)})`;
  });
  if (losses.length > 0) lines.push(`validation loss, nats per token: ${losses.join(", ")}`);
  if (result.steps < maxSteps)
    lines.push(`stopped after step ${result.steps} of ${maxSteps}; the adapter is as it was then`);
  if (stepSeconds.length > 0) {
    const median = stepSeconds.toSorted((a, b) => a - b)[Math.floor(stepSeconds.length / 2)];
    const speed = Math.round(result.tokens / result.seconds).toLocaleString("en-US");
    const took = `${stepSeconds.length} steps in ${formatSeconds(result.seconds)}`;
    lines.push(`speed: ${took}, ${speed} tokens/s, ${Math.round(median * 1000)} ms a step (median)`);
  }
  lines.push(`peak memory: ${Math.round(process.resourceUsage().maxRSS / 1024)} MiB`);
  return lines;
}

/** Says whether the base model, with the adapter off, still is what it was. */
function baseCheck(before: number, after: number): string {
  const losses = `loss ${before.toFixed(6)} before, ${after.toFixed(6)} after`;
  if (Object.is(before, after)) return `base model with the adapter off: ${losses}, bit-identical`;
  throw new Error(
    `the base model with the adapter off has changed: ${losses}; the adapter was saved, but is not to be trusted`,
  );
}

function nextSteps({ model, output }: TrainCommandOptions, quantize?: QuantizeOptions): string[] {
  const folders = `--model ${shellWord(model)} --adapter ${shellWord(output)}`;
  const asTrained = quantize ? `${folders} ${quantizeWords(quantize)}` : folders;
  return [
    `wrote ${output}: adapter_config.json, adapter_model.safetensors, README.md`,
    "next:",
    `  lowrank generate ${asTrained} --prompt "..."`,
    `  lowrank merge ${asTrained} --output ${shellWord(`${output.replace(/\/+$/, "")}-merged`)}`,
  ];
}
