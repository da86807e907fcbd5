import { backward, Generator, scope, type Tensor, tensor } from "@lowrank/core";
import {
  type AdamOptions,
  AdamW,
  AdamW8bit,
  clipGradNorm,
  type Optimizer,
  type Schedule,
  schedules,
} from "@lowrank/nn";
import { BatchSampler } from "./batchSampler.ts";
import { type Checkpointing, readCheckpoint, type Trained, writeCheckpoint } from "./checkpoint.ts";
import type { Batch } from "./collate.ts";
import { type AnyExample, collateAny } from "./collateAny.ts";
import type { SequenceBatch } from "./collateSequences.ts";
import { type Evaluation, evaluate } from "./evaluate.ts";
import { labelCount } from "./labelCount.ts";
import { type TrainableModel, toInputs, withRows } from "./modelBatch.ts";
import type { CollateOptions } from "./padRows.ts";

/** How a `Trainer` trains; names and defaults follow transformers' TrainingArguments. */
export interface TrainerOptions extends CollateOptions {
  /** Optimiser steps; default: as many as `epochs` takes. */
  maxSteps?: number;
  /** Passes over the examples where `maxSteps` is not given. Default 3. */
  epochs?: number;
  /** Examples in a forward pass. Default 8. */
  batchSize?: number;
  /** Forward passes whose gradients make one step, weighted by their labels. Default 1. */
  gradientAccumulationSteps?: number;
  /**
   * AdamW, AdamW with moments of 8 bits, as bitsandbytes has it, or an optimiser that you made, with groups and settings
   * of its own: their learning rates are the peaks. Default "adamw".
   */
  optimizer?: "adamw" | "adamw8bit" | Optimizer<AdamOptions>;
  /** Peak learning rate of AdamW; needed unless `optimizer` brings its own. */
  learningRate?: number;
  /** Default "linear": down to 0 over the steps. */
  schedule?: "constant" | "linear" | "cosine";
  /** Steps over which the rate rises from 0. Default 0. */
  warmupSteps?: number;
  /** Decoupled weight decay. Default 0. */
  weightDecay?: number;
  /** Default [0.9, 0.999]. */
  betas?: [number, number];
  /** Default 1e-8. */
  eps?: number;
  /** The gradients' norm is scaled down to this; 0 leaves it. Default 1. */
  maxGradNorm?: number;
  /** Orders the examples. Default 0. */
  seed?: number;
  /** Draw the examples in a new order each epoch. Default true. */
  shuffle?: boolean;
  /** Put examples of about equal length into a batch, which saves padding. Default false. */
  groupByLength?: boolean;
  /** Measured before the first step, every `every` steps (default: never) and after the last. */
  evaluation?: { examples: readonly AnyExample[]; every?: number };
  checkpoints?: Checkpointing;
  /** Awaited: one that waits for the event loop lets a page paint, and a signal arrive, between steps. */
  onStep?: (report: StepReport) => unknown;
  onEvaluation?: (step: number, evaluation: Evaluation) => void;
  /** Stops after the running step, with a checkpoint where they are asked for; `train` returns what there is. */
  signal?: AbortSignal;
}

/** One optimiser step. */
export interface StepReport {
  /** Counted from 1. */
  step: number;
  maxSteps: number;
  /** Mean cross-entropy over the step's labels, in nats. */
  loss: number;
  /** Of the optimiser's first group. */
  learningRate: number;
  /** L2 norm of all gradients before clipping. */
  gradNorm: number;
  /** Tokens run, padding included. */
  tokens: number;
  /** Wall time of the step. */
  seconds: number;
}

/** What `train` did. */
export interface TrainingResult {
  /** Steps done in all, those before a resumption included. */
  steps: number;
  /** Mean loss of each step of this run. */
  losses: number[];
  /** Tokens run in this run, padding included, and the wall time of its steps. */
  tokens: number;
  seconds: number;
  /** Examples that were cut to `maxLength`. */
  truncatedExamples: number;
  evaluations: { step: number; evaluation: Evaluation }[];
}

/** Optimiser steps that passes over `count` examples take. */
export function trainingSteps(
  count: number,
  {
    batchSize = 8,
    gradientAccumulationSteps = 1,
    epochs = 3,
  }: Pick<TrainerOptions, "batchSize" | "gradientAccumulationSteps" | "epochs">,
): number {
  return Math.ceil((epochs * Math.ceil(count / batchSize)) / gradientAccumulationSteps);
}

/** Trains the parameters of a model that require gradients. */
export class Trainer {
  readonly model: TrainableModel;
  readonly examples: readonly AnyExample[];
  readonly maxSteps: number;
  readonly #options: TrainerOptions;
  readonly #parameters: Map<string, Tensor>;
  /** Whether the examples name adapters of theirs. */
  readonly #byRows: boolean;
  readonly #optimizer: Optimizer<AdamOptions>;
  /** The learning rates that the schedule scales, by group. */
  readonly #peaks: readonly number[];
  readonly #sampler: BatchSampler;
  readonly #factor: Schedule;
  #step = 0;

  /**
   * Where examples have an `adapterName`, each adapter learns from its own, in batches of all. Throws where there are no
   * examples, or nothing that trains.
   */
  constructor(model: TrainableModel, examples: readonly AnyExample[], options: TrainerOptions) {
    const { batchSize = 8, seed = 0 } = options;
    this.model = model;
    this.examples = examples;
    this.#options = options;
    if (examples.length === 0) throw new Error("Trainer: there are no examples to train on");
    this.#byRows = examples.some(({ adapterName }) => adapterName !== undefined);
    this.#parameters = trainedParameters(model, examples);
    if (this.#parameters.size === 0) throw new Error("Trainer: no parameter of the model requires gradients");
    const shuffle = (options.shuffle ?? true) ? new Generator(seed) : undefined;
    const lengths = options.groupByLength ? examples.map(({ inputIds }) => inputIds.length) : undefined;
    this.#sampler = new BatchSampler(examples.length, {
      batchSize: Math.min(batchSize, examples.length),
      shuffle,
      lengths,
    });
    this.maxSteps = options.maxSteps ?? trainingSteps(examples.length, options);
    this.#optimizer = optimizerOf(options, this.#parameters);
    this.#peaks = this.#optimizer.groups.map(({ lr }) => lr);
    const { schedule = "linear", warmupSteps = 0 } = options;
    const decay = { warmupSteps, totalSteps: this.maxSteps };
    this.#factor = schedule === "constant" ? schedules.constantWithWarmup(decay) : schedules[schedule](decay);
  }

  /** Goes on where a checkpoint of the same model, data and options stopped (Node only). */
  async resume(folder: string): Promise<void> {
    const state = await readCheckpoint(folder, this.#trained());
    this.#sampler.state = state.sampler;
    this.#step = state.step;
  }

  async train(): Promise<TrainingResult> {
    const result: TrainingResult = {
      steps: this.#step,
      losses: [],
      tokens: 0,
      seconds: 0,
      truncatedExamples: 0,
      evaluations: [],
    };
    const { onStep, signal, checkpoints, evaluation } = this.#options;
    if (this.#step === 0) await this.#evaluate(result);
    while (this.#step < this.maxSteps && !signal?.aborted) {
      const report = await this.#trainStep(result);
      await onStep?.(report);
      const last = this.#step === this.maxSteps;
      if (last || (evaluation?.every && this.#step % evaluation.every === 0)) await this.#evaluate(result);
      if (checkpoints && (last || signal?.aborted || this.#step % checkpoints.every === 0)) {
        const state = { step: this.#step, sampler: this.#sampler.state };
        await writeCheckpoint(checkpoints, state, this.#trained());
      }
    }
    this.model.eval();
    return result;
  }

  async #trainStep(result: TrainingResult): Promise<StepReport> {
    const { gradientAccumulationSteps = 1, maxGradNorm = 1 } = this.#options;
    const start = performance.now();
    const batches = Array.from({ length: gradientAccumulationSteps }, () => this.#nextBatch());
    const labels = batches.map((batch) => labelCount(batch, this.model));
    const total = labels.reduce((a, b) => a + b, 0);
    if (total === 0)
      throw new Error(`Trainer: step ${this.#step + 1} has no labelled token; raise maxLength, or look at the data`);
    this.model.train();
    let loss = 0;
    for (const [i, batch] of batches.entries())
      if (labels[i] > 0) loss += await this.#accumulate(batch, labels[i] / total);
    if (!Number.isFinite(loss)) {
      throw new Error(
        `Trainer: the loss of step ${this.#step + 1} is ${loss}; lower learningRate (${this.#peaks.join(", ")})`,
      );
    }
    using norm = clipGradNorm(this.#parameters.values(), maxGradNorm > 0 ? maxGradNorm : Number.POSITIVE_INFINITY);
    const gradNorm = await norm.item();
    const factor = this.#factor(this.#step);
    for (const [i, group] of this.#optimizer.groups.entries()) group.lr = this.#peaks[i] * factor;
    const learningRate = this.#optimizer.lr;
    this.#optimizer.step();
    if (!this.#byRows) await this.model.updateAndAllocate?.(this.#step);
    this.#optimizer.zeroGrad();
    this.#step++;
    const tokens = batches.reduce((sum, b) => sum + b.batchSize * b.length, 0);
    const seconds = (performance.now() - start) / 1000;
    result.steps = this.#step;
    result.losses.push(loss);
    result.tokens += tokens;
    result.seconds += seconds;
    result.truncatedExamples += batches.reduce((sum, b) => sum + b.truncatedExamples, 0);
    return { step: this.#step, maxSteps: this.maxSteps, loss, learningRate, gradNorm, tokens, seconds };
  }

  /** Adds one batch's share of the gradients; gives its share of the loss. */
  async #accumulate(batch: Batch | SequenceBatch, share: number): Promise<number> {
    using loss = scope(() => {
      return withRows(this.model, batch, () => {
        const value = this.model.loss(toInputs(batch, this.model));
        backward(value, tensor(share));
        return value.detach();
      });
    });
    return share * (await loss.item());
  }

  #nextBatch(): Batch | SequenceBatch {
    return collateAny(
      Array.from(this.#sampler.next(), (i) => this.examples[i]),
      this.#options,
    );
  }

  async #evaluate(result: TrainingResult): Promise<void> {
    const { evaluation: wanted, batchSize = 8, onEvaluation } = this.#options;
    if (!wanted) return;
    const evaluation = await evaluate(this.model, wanted.examples, { ...this.#options, batchSize });
    result.evaluations.push({ step: this.#step, evaluation });
    onEvaluation?.(this.#step, evaluation);
  }

  #trained(): Trained {
    const { model } = this;
    return { parameters: this.#parameters, optimizer: this.#optimizer, generators: this.#generators(), model };
  }

  /** The sources of randomness inside the model (dropout), in the order of its modules. */
  #generators(): Generator[] {
    const found = new Set<Generator>();
    for (const [, module] of this.model.namedModules()) {
      if ("generator" in module && module.generator instanceof Generator) found.add(module.generator);
    }
    return [...found];
  }
}

/** What trains: of the adapters that examples name, where they name some. */
function trainedParameters(model: TrainableModel, examples: readonly AnyExample[]): Map<string, Tensor> {
  const names = new Set(examples.flatMap(({ adapterName }) => adapterName ?? []));
  const found = () => new Map([...model.namedParameters()].filter(([, { requiresGrad }]) => requiresGrad));
  const all = names.size === 0 ? found() : withRows(model, { adapterNames: [...names] }, found);
  for (const name of names) {
    if (model.peftConfig?.get(name)?.peftType === "ADALORA") {
      throw new Error(
        `Trainer: adapter "${name}" is AdaLoRA, which gives out ranks while it acts alone; train it by itself`,
      );
    }
    if (withRows(model, { adapterNames: [name] }, () => found().size) > 0) continue;
    throw new Error(
      `Trainer: examples name adapter "${name}", of which nothing trains; leave them out, or make it trainable`,
    );
  }
  return all;
}

/** The optimiser that the options name or bring. Throws for one that does not train what the model trains. */
function optimizerOf(options: TrainerOptions, parameters: ReadonlyMap<string, Tensor>): Optimizer<AdamOptions> {
  const { optimizer = "adamw", learningRate: lr, betas = [0.9, 0.999], eps = 1e-8, weightDecay = 0 } = options;
  if (typeof optimizer !== "string") {
    const own = new Set(optimizer.parameters());
    const missing = [...parameters].filter(([, parameter]) => !own.has(parameter)).map(([name]) => name);
    if (missing.length > 0) {
      throw new Error(
        `Trainer: optimizer was not given ${missing.join(", ")}, which the model trains; make it for this model`,
      );
    }
    for (const key of ["learningRate", "betas", "eps", "weightDecay"] as const) {
      if (options[key] === undefined) continue;
      throw new Error(`Trainer: ${key} is ${options[key]}, and optimizer has settings of its own; give one of the two`);
    }
    return optimizer;
  }
  if (lr === undefined) throw new Error("Trainer: learningRate is missing; give it, or an optimizer that has one");
  const Optimizer = optimizer === "adamw8bit" ? AdamW8bit : AdamW;
  return new Optimizer([...parameters.values()], { lr, betas, eps, weightDecay });
}
