import { fileURLToPath } from "node:url";
import { Generator, memory, resetPeak } from "@lowrank/core";
import { type CausalLM, describeModel, type LoadedModel, type Tokenizer } from "@lowrank/models";
import type { QuantizeOptions } from "@lowrank/nn";
import { getPeftModel, type PeftConfig, type PeftModel } from "@lowrank/peft";
import { evaluate, type StepReport, type TokenizedExample, Trainer, tokenizeExample } from "@lowrank/train";
import { describeBackend } from "../cli/loading/backends.ts";
import { loadWithTokenizer, warn } from "../cli/loading/loading.ts";
import { virtualTokens } from "../cli/options/trainedConfig.ts";
import { readTrainData } from "../commands/train/data/trainData.ts";
import { recipeQuantization } from "../report/comparison/candidates.ts";
import { compareMethods } from "../report/comparison/compareMethods.ts";
import type { MethodRow } from "../report/comparison/methodComparison.ts";
import { exactMatch, median, passMilliseconds } from "../report/measure.ts";
import { findMethods } from "../report/methods.ts";
import type { Job, Measured } from "./job.ts";
import { jobConfig } from "./jobConfig.ts";
import { loadNano } from "./loadNano.ts";

/**
 * Trains with one method and measures the result. Call this in a separate process, so that the measured peak memory is
 * only the memory of this run.
 */
export async function runJob(job: Job, onStep: (report: StepReport) => unknown): Promise<Measured> {
  const [method] = findMethods([job.method]);
  const quantize = method.quantized ? recipeQuantization : undefined;
  const loaded = await loadWithTokenizer(job.model ?? fileURLToPath((await loadNano()).nanoModelFolder), {
    backend: job.backend,
    threads: job.threads,
    quantize,
  });
  const { model, tokenizer } = loaded;
  const { train, test, earlier } = await jobExamples(tokenizer, job, model.maxPositions);
  const padTokenId = tokenizer.padTokenId ?? loaded.generationConfig?.padTokenId ?? tokenizer.eosTokenId ?? 0;
  const named = Object.fromEntries((job.named ?? []).map((setting) => [setting, job[setting]]));
  const config = jobConfig(method, job, named, job.size, job.set);
  const costs = await costsOf(loaded, config, quantize ?? null);
  const room = model.maxPositions - (await virtualTokens(config));
  const batching = { batchSize: job.batchSize, padTokenId, maxLength: room };
  const lossBefore = (await evaluate(model, test, batching)).loss;
  const earlierLoss = async (trained: CausalLM | PeftModel<CausalLM>) =>
    earlier === null ? undefined : (await evaluate(trained, earlier, batching)).loss;
  const earlierLossBefore = await earlierLoss(model);

  const generator = new Generator(job.seed);
  const peft = config && (await getPeftModel(model, config, { generator, tokenizer, onWarning: warn }));
  if (peft === null) model.setRequiresGrad(true);
  resetPeak();
  const steps: number[] = [];
  const trainer = new Trainer(peft ?? model, train, {
    ...batching,
    maxSteps: job.steps,
    learningRate: job.learningRate,
    schedule: "cosine",
    warmupSteps: Math.ceil(job.steps / 20),
    groupByLength: true,
    seed: job.seed,
    precision: job.precision,
    onStep: (report) => {
      steps.push(report.seconds);
      return onStep(report);
    },
  });
  await trainer.train();
  const peakProcessBytes = 1024 * process.resourceUsage().maxRSS;
  const { peakBytes: peakTensorBytes } = memory();

  const { loss } = await evaluate(peft ?? model, test, batching);
  const earlierLossAfter = await earlierLoss(peft ?? model);
  const right = await exactMatch(model, test, tokenizer.eosTokenId);
  const latencyTokens = Math.min(64, Math.floor(room / 2));
  const latencyMilliseconds = await passMilliseconds(model, latencyTokens);
  return {
    backend: describeBackend(loaded.backend),
    trainable: costs.trainable,
    total: costs.total,
    percent: costs.percent,
    bytesSaved: costs.bytesSaved,
    mergeable: costs.mergeable,
    ...{ peakProcessBytes, peakTensorBytes, stepMilliseconds: 1000 * median(steps) },
    ...{ lossBefore, loss, exactMatch: right, testExamples: test.length },
    ...(earlierLossAfter !== undefined && { earlierLossBefore, earlierLoss: earlierLossAfter }),
    ...{ latencyMilliseconds, latencyTokens },
    mergedLatencyMilliseconds: await mergedMilliseconds(loaded, peft, costs.mergeable, latencyTokens),
  };
}

/** Returns the costs of a method on the loaded model. Throws if the method does not fit the model. */
async function costsOf(
  { config: model }: LoadedModel,
  config: PeftConfig | null,
  quantization: QuantizeOptions | null,
): Promise<MethodRow> {
  const { rows, failed } = await compareMethods(describeModel(model), [{ config, quantization }]);
  if (rows.length === 0) throw new Error(failed[0].why);
  return rows[0];
}

/**
 * Returns the median time in milliseconds of a forward pass with the adapter merged into the weights. Weights in 4 bits
 * stay in 4 bits. Returns null if the adapter cannot be merged.
 */
async function mergedMilliseconds(
  { model, quantization }: LoadedModel,
  peft: PeftModel<CausalLM> | null,
  mergeable: boolean,
  tokens: number,
): Promise<number | null> {
  if (peft === null || !mergeable) return null;
  await peft.mergeAdapter(quantization ? { requantize: true } : {});
  return passMilliseconds(model, tokens);
}

/** Tokenized training and test examples of a run. */
interface JobExamples {
  readonly train: readonly TokenizedExample[];
  readonly test: readonly TokenizedExample[];
  /** Examples of an earlier task, on which forgetting is measured; null if there are none. */
  readonly earlier: readonly TokenizedExample[] | null;
}

// One seed for all runs: a run's own seed orders the examples and initialises the adapter.
const taskSeed = 1;

/**
 * Returns a job's training and test examples. Texts are cut into blocks of `blockSize` tokens. Default: 256, or the
 * model's maximum length `positions` if that is smaller. Throws if no test examples are left.
 */
export async function jobExamples(tokenizer: Tokenizer, job: Job, positions: number): Promise<JobExamples> {
  const { data, testExamples } = job;
  if (data.kind === "task") {
    const { generatePairs } = await loadNano();
    const pairs = (language: "javascript" | "python", split: "train" | "test", count: number) =>
      Promise.all(
        generatePairs({ language, split, count, seed: taskSeed }).map((pair) => tokenizeExample(tokenizer, pair)),
      );
    return {
      train: await pairs("javascript", "train", data.trainExamples),
      test: await pairs("javascript", "test", testExamples),
      earlier: await pairs("python", "test", testExamples),
    };
  }
  const { blockSize = Math.min(256, positions) } = data;
  const { train, validation } = await readTrainData(tokenizer, { ...data, blockSize });
  if (validation.length === 0) {
    throw new Error(`${data.data.join(", ")}: nothing is left to measure on; give --validation, or more data`);
  }
  const test = validation.slice(0, testExamples);
  if (job.forgetting === undefined) return { train, test, earlier: null };
  const { train: earlier } = await readTrainData(tokenizer, {
    data: [job.forgetting],
    validationFraction: 0,
    blockSize,
  });
  return { train, test, earlier: earlier.slice(0, testExamples) };
}
