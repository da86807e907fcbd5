import { Generator, OptionError, type Tensor, yieldIfDue } from "@lowrank/core";
import { checkOptions, checkPrecision } from "@lowrank/core/internal";
import type { ModelFiles } from "@lowrank/files";
import type { Optimizer, Schedule } from "@lowrank/nn";
import type { BestModel } from "../checkpoint/bestModel.ts";
import type { ResumeOptions, Trained } from "../checkpoint/checkpoint.ts";
import type { Fingerprint } from "../checkpoint/fingerprint.ts";
import type { AnyExample } from "../data/batches/collateAny.ts";
import type { TrainableModel, TrainableModule } from "../data/batches/modelBatch.ts";
import { BatchSampler } from "../data/batchSampler.ts";
import { areListed, type Examples, readExamples } from "../data/dataset.ts";
import {
  checkpointKeys,
  evaluationKeys,
  type OwnTrainerOptions,
  type RateSetting,
  recordsBest,
  type StepReport,
  type TrainerOptions,
  type TrainingResult,
  type TrainingSettings,
  trainingKeys,
} from "../options/trainerOptions.ts";
import { ownTaskOf, type TaskOptions, taskKeys, taskOf } from "../tasks/taskOf.ts";
import type { TaskBatch, TrainingTask } from "../tasks/trainingTask.ts";
import { BufferCopies, generatorsOf } from "./modelState.ts";
import type { Neftune } from "./neftune.ts";
import { optimizerOf, scheduleFactor, trainedParameters } from "./optimizerOf.ts";
import { microBatches, trainingStep } from "./trainingStep.ts";

/** Returns the number of optimiser steps in `epochs` passes over `count` examples. */
export function trainingSteps(
  count: number,
  options: Pick<TrainingSettings<unknown>, "batchSize" | "gradientAccumulationSteps" | "epochs">,
): number {
  checkOptions("trainingSteps", options, { batchSize: true, gradientAccumulationSteps: true, epochs: true });
  const { batchSize = 8, gradientAccumulationSteps = 1, epochs = 3 } = options;
  return Math.ceil((epochs * Math.ceil(count / batchSize)) / gradientAccumulationSteps);
}

/** The fields of a `TrainingResult` that change while the run progresses. */
type Progress = Omit<TrainingResult, "best" | "stoppedEarly">;

/** Trains those parameters of a model that require gradients. */
export class Trainer<Model extends TrainableModule = TrainableModel, Example = AnyExample, Batch = unknown> {
  readonly model: Model;
  readonly examples: Examples<Example>;
  readonly maxSteps: number;
  readonly #options: TrainingSettings<unknown> & TaskOptions;
  readonly #task: TrainingTask;
  readonly #parameters: Map<string, Tensor>;
  readonly #buffers: Map<string, Tensor>;
  /** True if examples name the adapters that they train, so that the rows of a batch may use different adapters. */
  readonly #byRows: boolean;
  readonly #makeOptimizer: () => Promise<Optimizer<RateSetting>>;
  #made: Optimizer<RateSetting> | null = null;
  /** The peak learning rate (the maximum of the schedule) of each parameter group. */
  readonly #peaks: readonly number[];
  readonly #sampler: BatchSampler;
  readonly #factor: Schedule;
  /** The best evaluation so far and its weights. Null unless `loadBestModelAtEnd` or `earlyStoppingPatience` is set. */
  #best: BestModel | null = null;
  #neftune: Neftune | null = null;
  #step = 0;
  #fingerprint: Fingerprint | null = null;

  /** Prepares the training of any module on examples of any kind, with a custom collator and loss. */
  constructor(model: Model, examples: Examples<Example>, options: OwnTrainerOptions<Model, Example, Batch>);
  /**
   * Prepares the training of a model that predicts tokens or classes. If examples have an `adapterName`, each adapter
   * trains on its own examples, and batches mix adapters. Throws without examples or trainable parameters.
   */
  constructor(model: TrainableModel, examples: Examples<AnyExample>, options: TrainerOptions);
  constructor(
    model: TrainableModule,
    examples: Examples<unknown>,
    options: (TrainingSettings<AnyExample> | TrainingSettings<Example>) & TaskOptions,
  ) {
    checkOptions<object>("Trainer", options, { ...trainingKeys, ...taskKeys });
    checkOptions("Trainer: evaluation", options.evaluation ?? {}, evaluationKeys);
    checkOptions("Trainer: checkpoints", options.checkpoints ?? {}, checkpointKeys);
    const { batchSize = 8, seed = 0, gradientAccumulationSteps, epochs } = options;
    this.model = model as Model;
    this.examples = examples as Examples<Example>;
    this.#options = options;
    if (examples.length === 0) throw new Error("Trainer: there are no examples to train on");
    this.#task = taskOf("Trainer", model, areListed(examples) ? examples : [], options);
    const own = ownTaskOf(options) !== undefined;
    const rows = own || !areListed(examples) ? [] : (examples as readonly AnyExample[]);
    if (own && options.groupByLength) {
      throw new OptionError("Trainer", "groupByLength", true, (named) => {
        const option = named("groupByLength");
        return `${option} needs inputIds, which the examples of a custom collate may lack; leave ${option} out`;
      });
    }
    this.#byRows = rows.some(({ adapterName }) => adapterName !== undefined);
    this.#parameters = trainedParameters(model, rows);
    this.#buffers = new Map(model.namedBuffers?.() ?? []);
    if (options.precision !== undefined) {
      const precision = checkPrecision("Trainer", options.precision);
      for (const [, parameter] of model.namedParameters()) parameter.precision = precision;
    }
    if (this.#parameters.size === 0) throw new Error("Trainer: no parameter of the model requires gradients");
    const shuffle = (options.shuffle ?? true) ? new Generator(seed) : undefined;
    const ofRows = () => (areListed(examples) ? rows.map(({ inputIds }) => inputIds.length) : examples.lengths);
    const lengths = options.groupByLength ? ofRows() : undefined;
    this.#sampler = new BatchSampler(examples.length, {
      batchSize: Math.min(batchSize, examples.length),
      shuffle,
      lengths,
    });
    const passes = { batchSize, gradientAccumulationSteps, epochs };
    this.maxSteps = options.maxSteps ?? trainingSteps(examples.length, passes);
    const { make, peaks } = optimizerOf(options, this.#parameters);
    this.#makeOptimizer = make;
    this.#peaks = peaks;
    this.#factor = scheduleFactor(options, this.maxSteps, peaks[0]);
  }

  /**
   * Resumes from a checkpoint of the same model, data and options. `place` is a checkpoint ("run/checkpoint-8"), a
   * folder of which the newest complete checkpoint is used ("run"), or a checkpoint's files. Returns the number of
   * completed steps. Throws if there is no complete checkpoint. Throws `ResumeError`, which lists all differences, if
   * the checkpoint belongs to another run.
   */
  async resume(place: string | URL | ModelFiles, options: ResumeOptions = {}): Promise<number> {
    await this.#prepare();
    const { readCheckpoint } = await import("../checkpoint/checkpoint.ts");
    const fingerprint = await this.#identify();
    const state = await readCheckpoint(place, fingerprint, this.#trained(), options, this.#options.onWarning);
    this.#step = state.step;
    return state.step;
  }

  /**
   * Trains up to step `maxSteps`. Yields to the event loop between batches. If the signal is aborted, the step in
   * progress is discarded: weights, optimiser state and data position are as they were after the previous step.
   */
  async train(): Promise<TrainingResult> {
    const result: Progress = {
      steps: this.#step,
      losses: [],
      tokens: 0,
      seconds: 0,
      truncatedExamples: 0,
      evaluations: [],
      aborted: false,
    };
    await this.#prepare();
    const best = this.#best;
    using _noise = this.#neftune?.attach();
    const { onStep, signal, checkpoints, evaluation } = this.#options;
    if (checkpoints) {
      const { checkLimit } = await import("../checkpoint/checkpoint.ts");
      checkLimit(checkpoints);
      await this.#identify();
    }
    const start = this.#step;
    let saved = start;
    const save = async () => {
      if (!checkpoints || saved === this.#step) return;
      saved = this.#step;
      const { writeCheckpoint } = await import("../checkpoint/checkpoint.ts");
      const state = { step: saved, sampler: this.#sampler.state };
      await writeCheckpoint(checkpoints, state, await this.#identify(), this.#trained());
    };
    const isDue = () => this.#step === this.maxSteps || (evaluation?.every && this.#step % evaluation.every === 0);
    // Evaluates again after resuming if the run was aborted during that evaluation.
    if (this.#step === 0 || (best && isDue() && best.state.seen < this.#step)) await this.#evaluate(result);
    while (this.#step < this.maxSteps && !result.aborted && !best?.stopped) {
      const report = signal?.aborted ? null : await this.#trainStep(result);
      if (!report) {
        result.aborted = true;
        break;
      }
      await onStep?.(report);
      const last = this.#step === this.maxSteps;
      if (isDue()) await this.#evaluate(result);
      if (last || (checkpoints && this.#step % checkpoints.every === 0)) await save();
      await yieldIfDue();
    }
    if (result.aborted || best?.stopped) await save();
    if (!result.aborted) best?.load(this.#changed());
    this.model.eval();
    const stoppedEarly = Boolean(best?.stopped && this.#step < this.maxSteps);
    return { ...result, best: best?.state.best ?? null, stoppedEarly };
  }

  /** At the first call, creates the optimiser and the objects that some options need. Later calls do nothing. */
  async #prepare(): Promise<void> {
    const { neftuneNoiseAlpha = 0, seed = 0 } = this.#options;
    if (recordsBest(this.#options))
      this.#best ??= new (await import("../checkpoint/bestModel.ts")).BestModel(this.#options, this.model);
    if (neftuneNoiseAlpha !== 0) {
      this.#neftune ??= new (await import("./neftune.ts")).Neftune(this.model, neftuneNoiseAlpha, seed);
    }
    this.#made ??= await this.#makeOptimizer();
  }

  get #optimizer(): Optimizer<RateSetting> {
    return this.#made as Optimizer<RateSetting>;
  }

  /** Runs one optimiser step. If the signal is aborted, restores the state before the step and returns null. */
  async #trainStep(result: Progress): Promise<StepReport | null> {
    const { gradientAccumulationSteps = 1, maxGradNorm = 1, signal } = this.#options;
    const start = performance.now();
    const sampler = this.#sampler.state;
    const batches: TaskBatch[] = [];
    while (batches.length < gradientAccumulationSteps) batches.push(await this.#nextBatch());
    const parts = microBatches(batches);
    if (parts.length === 0)
      throw new OptionError("Trainer", "maxLength", undefined, (named) => {
        const step = this.#step + 1;
        return `no token in the batches of step ${step} has a label; raise ${named("maxLength")}, or check the data`;
      });
    const generators = new Map(this.#generators().map((generator) => [generator, generator.state]));
    const factor = this.#factor(this.#step);
    for (const [i, group] of this.#optimizer.groups.entries()) group.lr = this.#peaks[i] * factor;
    const learningRate = this.#optimizer.lr;
    using buffers = new BufferCopies(this.#buffers.values());
    using facts = await trainingStep(parts, {
      model: this.model,
      parameters: this.#parameters.values(),
      optimizer: this.#optimizer,
      maxGradNorm: maxGradNorm > 0 ? maxGradNorm : Number.POSITIVE_INFINITY,
      signal,
    });
    if (!facts) {
      this.#optimizer.zeroGrad();
      buffers.restore();
      this.#sampler.state = sampler;
      for (const [generator, state] of generators) generator.state = state;
      return null;
    }
    const [loss, gradNorm, refused] = await facts.data();
    if (![loss, gradNorm, refused].every(Number.isFinite)) {
      this.#optimizer.takeBackStep();
      this.#optimizer.zeroGrad();
      this.#sampler.state = sampler;
      buffers.restore();
      const { refusedStep } = await import("./nonFiniteStep.ts");
      const { model } = this;
      const facts = { model, parameters: this.#parameters, parts, generators, loss, gradNorm, peaks: this.#peaks };
      const refusal = await refusedStep({ ...facts, step: this.#step + 1, maxGradNorm });
      buffers.restore();
      throw refusal;
    }
    if (!this.#byRows) await this.model.updateAndAllocate?.(this.#step);
    this.#optimizer.zeroGrad();
    this.#step++;
    const tokens = batches.reduce((sum, b) => sum + b.tokens, 0);
    const seconds = (performance.now() - start) / 1000;
    result.steps = this.#step;
    result.losses.push(loss);
    result.tokens += tokens;
    result.seconds += seconds;
    result.truncatedExamples += batches.reduce((sum, b) => sum + b.truncatedExamples, 0);
    return { step: this.#step, maxSteps: this.maxSteps, loss, learningRate, gradNorm, tokens, seconds };
  }

  async #nextBatch(): Promise<TaskBatch> {
    return this.#task(await readExamples(this.examples, this.#sampler.next()));
  }

  async #evaluate(result: Progress): Promise<void> {
    if (!this.#options.evaluation) return;
    const { evaluateDuring } = await import("./evaluateDuring.ts");
    const evaluation = await evaluateDuring(this.model, this.#options, this.#step, this.#peaks);
    if (!evaluation) {
      result.aborted = true;
      return;
    }
    await this.#best?.observe(this.#step, evaluation, this.#changed());
    result.evaluations.push({ step: this.#step, evaluation });
    await this.#options.onEvaluation?.(this.#step, evaluation);
  }

  /**
   * Returns this run's fingerprint, computed before its first step. Checkpoints store it, so that only a run with the
   * same model, data and options resumes from them.
   */
  async #identify(): Promise<Fingerprint> {
    if (this.#fingerprint) return this.#fingerprint;
    const { fingerprintOf } = await import("../checkpoint/fingerprint.ts");
    const { model, examples, maxSteps } = this;
    const [options, optimizer, peaks] = [this.#options, this.#optimizer, this.#peaks];
    this.#fingerprint = await fingerprintOf({ model, examples, maxSteps, options, optimizer, peaks });
    return this.#fingerprint;
  }

  /** Returns the model's tensors that the training changes: trained parameters and buffers. */
  #changed(): ReadonlyMap<string, Tensor> {
    return new Map([...this.#parameters, ...this.#buffers]);
  }

  #trained(): Trained {
    const { model } = this;
    const [parameters, buffers, best, optimizer] = [this.#parameters, this.#buffers, this.#best, this.#optimizer];
    return { parameters, buffers, best, optimizer, generators: this.#generators(), sampler: this.#sampler, model };
  }

  /** Returns all random generators that affect the training: the generators of the model and of NEFTune's noise. */
  #generators(): Generator[] {
    const found = generatorsOf(this.model, ownTaskOf(this.#options) !== undefined);
    return this.#neftune ? [...found, this.#neftune.generator] : found;
  }
}
