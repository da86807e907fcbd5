import {
  type Backend,
  bytesPerElement,
  type MatmulPrecision,
  type MetaBuffer,
  OptionError,
  type Tensor,
} from "@lowrank/core";
import type { QuantizeOptions } from "@lowrank/nn";
import type { PeftConfig } from "../config/peftConfig.ts";
import type { Warning } from "../config/warning.ts";
import type { FloatDType } from "../methods/shared/methodFacts.ts";
import type { AdaptableModel } from "../model/adaptedLoss.ts";
import type { PeftModel } from "../peftModel/peftModel.ts";
import { type BuiltModel, type ModelShapes, onShapes, type Part, type ShapesOptions } from "./onShapes.ts";
import { languageLoss, type PlannedModel, type RunSizes, trainedParameters, trainStep } from "./shapeRuns.ts";
import type { Peak, Traced } from "./trace.ts";
import { type PlannedOptimizer, traceOptimizer } from "./traceOptimizer.ts";
import { WeightCopies } from "./weightCopies.ts";

/** Options of `planMemory`. */
export interface PlanOptions {
  /** The adapter to train. Null, the default: the whole model is trained. */
  adapter?: PeftConfig | null;
  /**
   * Quantisation of the base model's linear layers, as by `quantize` of
   * @lowrank/nn. Default: none.
   */
  quantization?: QuantizeOptions | null;
  /** The dtype of the base model's weights that are not quantised. Default: "f32". */
  dtype?: FloatDType;
  /** The dtype of the adapter. Default: "f32", which Lowrank and PEFT use. */
  adapterDtype?: FloatDType;
  /** The dtype of gradients. Default: the dtype of the trained parameters. */
  gradientDtype?: FloatDType;
  /** The optimiser, with default settings. Default: "adamw", with moments in f32. */
  optimizer?: PlannedOptimizer;
  /** Number of sequences in a forward pass. Default: 1. */
  batchSize?: number;
  /** Number of tokens in a sequence. Default: 512, or the model's maximum length if that is smaller. */
  sequenceLength?: number;
  /** Number of forward passes for each optimiser step. Default: 1. */
  gradientAccumulationSteps?: number;
  /**
   * Computes the loss of a training step. The model's tensors have shapes but no values. Default: the language-model
   * loss on `batchSize` sequences of `sequenceLength` tokens.
   */
  loss?: (model: PlannedModel) => Tensor;
  /** True if transformer blocks discard their activations and recompute them in the backward pass. Default: false. */
  gradientCheckpointing?: boolean;
  /**
   * The precision of matrix products with frozen weights. For "high" and "medium", the WebAssembly backend keeps
   * quantised copies of the weights. Default: "highest", f32 without copies.
   */
  precision?: MatmulPrecision;
  /**
   * The backend for which to plan. An op for which it has no kernel is planned as the ops that it is composed of.
   * Default: a backend with a kernel for every op.
   */
  backend?: Backend;
}

/** Memory that a training step needs, in bytes. */
export interface TrainingPlan extends RunSizes {
  /** The base model's weights: quantised ones, other ones, and their total bytes. */
  readonly weights: { readonly quantized: Part; readonly rest: Part; readonly bytes: number };
  /**
   * The adapter: its number of trainable elements, and its bytes including constants. Zero if the whole model is
   * trained.
   */
  readonly adapter: Part;
  /** The gradients of all trained parameters. */
  readonly gradients: Part;
  /** Bytes that the optimiser keeps between steps. */
  readonly optimizer: number;
  /** Peak bytes of temporary tensors and of tensors that are kept for the backward pass. */
  readonly activations: number;
  /**
   * Peak memory of a training step. It includes weights with their quantised copies, adapter, optimiser state, and the
   * gradients and activations that exist at the peak.
   */
  readonly training: Peak;
  /** Notes about requested settings that the estimate includes but that Lowrank's training does not support. */
  readonly notes: readonly string[];
  /** Warnings, for example about targets that match nothing. */
  readonly warnings: readonly Warning[];
}

/** A training step on shapes: its memory, and the bytes of copies of frozen weights that it leaves. */
export interface TrainingRun {
  readonly plan: TrainingPlan;
  /** Bytes of the quantised copies of frozen weights after the step. */
  readonly copies: number;
  /** Bytes of weights and adapter, which stay in memory between steps. */
  readonly resident: number;
}

/**
 * Trains a model for one step with shapes only, and returns the memory that the step needs. `where` is the function
 * that errors name. Throws for targets that match nothing, for sequences that are too long, and for a model without a
 * loss.
 */
export async function planTraining(where: string, model: ModelShapes, options: PlanOptions): Promise<TrainingRun> {
  const { adapter = null, dtype = "f32", adapterDtype = "f32", optimizer = "adamw", quantization, backend } = options;
  if (adapter === null && quantization) {
    throw new Error(`${where}: quantised weights cannot be trained; give an adapter, or leave quantization out`);
  }
  const trainedDtype = adapter ? adapterDtype : dtype;
  const { gradientDtype = trainedDtype } = options;
  const gradientBytes = bytesPerElement(gradientDtype);
  const warnings: Warning[] = [];
  const step = await onShapes(model, { ...shapesOptions(options), onWarning: (warning) => warnings.push(warning) });
  const { loss, sizes } = runOf(where, model, step.base, options);
  if (options.gradientCheckpointing) checkpointing(where, step.base);
  // Counted before the step, since layers create and keep further constants during it.
  const constants = constantBytes(step.adapted);
  const stepCopies = new WeightCopies();
  const traced = step.run((shapes) =>
    stepCopies.during(shapes, () =>
      trainStep(shapes, step.adapted ?? step.base, sizes.gradientAccumulationSteps, gradientBytes, loss),
    ),
  );

  const trained = trainedParameters(step.adapted ?? step.base);
  const parameters = trained.reduce((sum, { size }) => sum + size, 0);
  const bytesOfTrained = (width: number) =>
    step.run((shapes) => trained.reduce((sum, { size }) => sum + shapes.planned(size * width), 0));
  const adapterPart: Part = adapter
    ? { parameters, bytes: bytesOfTrained(bytesPerElement(adapterDtype)) + constants }
    : { parameters: 0, bytes: constants };
  const { quantized, rest } = step.weights;
  const resident = quantized.bytes + rest.bytes + adapterPart.bytes;
  const optimizerRun = traceOptimizer(optimizer, trained, backend);
  const gradients: Part = { parameters, bytes: bytesOfTrained(gradientBytes) };
  const worst = worseOf(traced.peak, stepPeak(traced, optimizerRun, gradients.bytes));
  const plan = {
    ...sizes,
    weights: { quantized, rest, bytes: quantized.bytes + rest.bytes },
    adapter: adapterPart,
    gradients,
    optimizer: optimizerRun.held,
    activations: traced.mostActivations,
    training: { ...worst, bytes: resident + stepCopies.bytes + optimizerRun.held + worst.bytes },
    notes: dtypeNotes({ trained: trainedDtype, gradients: gradientDtype, here: adapter ? "f32" : dtype }),
    warnings,
  };
  return { plan, copies: stepCopies.bytes, resident };
}

/** Returns the options with which `onShapes` builds the model of a plan. */
export function shapesOptions(options: PlanOptions): Omit<ShapesOptions<PeftConfig | null>, "onWarning"> {
  const { adapter = null, dtype, quantization, precision = "highest", backend } = options;
  return { adapter, dtype, quantization, precision, backend };
}

/**
 * Returns the loss of a training step and the sizes of its batch. Throws if the model is not a language model and lacks
 * an example to run.
 */
function runOf(where: string, model: ModelShapes, base: AdaptableModel, options: PlanOptions) {
  const { gradientAccumulationSteps = 1 } = options;
  const { example } = model;
  if (example) {
    checkCount(where, "gradientAccumulationSteps", gradientAccumulationSteps);
    for (const name of ["batchSize", "sequenceLength"] as const) {
      const problem = `is ${options[name]}, but ${model.modelType} runs on its own inputs; leave it out`;
      if (options[name] !== undefined) throw new OptionError(where, name, options[name], problem);
    }
    const sizes = { batchSize: example.rows, sequenceLength: 1, gradientAccumulationSteps };
    return { sizes, loss: (options.loss ?? example.loss) as (model: PlannedModel) => Tensor };
  }
  const built = base as BuiltModel;
  if (built.maxPositions === undefined || (built.loss === undefined && options.loss === undefined)) {
    const how = "give the option loss, or describe the module with describeModule and its inputs";
    throw new OptionError(where, "loss", undefined, `is missing: ${model.modelType} has no loss of its own; ${how}`);
  }
  const sizes = runSizes(where, built, options);
  return { sizes, loss: options.loss ?? languageLoss(sizes) };
}

/** Turns gradient checkpointing on. Throws if the model does not support it. */
function checkpointing(where: string, base: AdaptableModel): void {
  if ("gradientCheckpointingEnable" in base) return void (base as BuiltModel).gradientCheckpointingEnable();
  const problem = `is true, but ${base.constructor.name} has no gradientCheckpointingEnable; leave it out`;
  throw new OptionError(where, "gradientCheckpointing", true, problem);
}

/**
 * Returns the peak memory of an optimiser step. It counts the gradients, the tensors that remain after the backward
 * pass, and the step's temporary tensors, but not the optimiser's state.
 */
function stepPeak(before: Traced, { peak, held }: Traced, gradients: number): Peak {
  const bytes = before.held + peak.bytes - held;
  return { ...peak, bytes, gradients, activations: bytes - gradients };
}

const worseOf = (a: Peak, b: Peak): Peak => (b.bytes > a.bytes ? b : a);

/** Returns the bytes of an adapter's constant tensors, such as VeRA's projections. */
function constantBytes(adapted: PeftModel | null): number {
  if (adapted === null) return 0;
  const constants = [...adapted.base_model.constants("default")];
  return constants.reduce((sum, { storage }) => sum + (storage.buffer as MetaBuffer).planned, 0);
}

/**
 * Returns a note if the planned dtype of trained parameters or of their gradients differs from `here`, the dtype in
 * which Lowrank trains. Otherwise returns an empty array.
 */
function dtypeNotes({ trained, gradients, here }: Record<"trained" | "gradients" | "here", FloatDType>): string[] {
  if (trained === here && gradients === here) return [];
  return [`reckoned with ${trained} for what trains, ${gradients} for its gradients; Lowrank itself trains in ${here}`];
}

/**
 * Returns the batch size and the sequence length of a run. Throws if they are invalid. The default sequence length
 * leaves space for virtual tokens in the model's context.
 */
function runSizes(where: string, { maxPositions, virtualTokens }: BuiltModel, options: PlanOptions): RunSizes {
  const virtual = virtualTokens?.count ?? 0;
  const room = maxPositions - virtual;
  const { batchSize = 1, sequenceLength = Math.min(512, room), gradientAccumulationSteps = 1 } = options;
  const sizes = { batchSize, sequenceLength, gradientAccumulationSteps };
  for (const [name, value] of Object.entries(sizes)) checkCount(where, name, value);
  if (sequenceLength <= room) return sizes;
  const virtualShare = virtual > 0 ? `, of which virtual tokens take ${virtual}` : "";
  const problem = `the model has ${maxPositions} positions${virtualShare}; give ${room} or less`;
  throw new OptionError(where, "sequenceLength", sequenceLength, `is ${sequenceLength}, but ${problem}`);
}

function checkCount(where: string, name: string, value: number): void {
  if (Number.isSafeInteger(value) && value >= 1) return;
  throw new OptionError(where, name, value, `is ${value}; it must be a whole number of at least 1`);
}
