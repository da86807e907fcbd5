import {
  type Backend,
  bytesPerElement,
  type MatmulPrecision,
  type MetaBuffer,
  OptionError,
  type Tensor,
} from "@lowrank/core";
import { checkOptions, checkPrecision } from "@lowrank/core/internal";
import type { QuantizeOptions } from "@lowrank/nn";
import type { PeftConfig } from "../config/peftConfig.ts";
import type { Warning } from "../config/warning.ts";
import type { FloatDType } from "../methods/shared/methodFacts.ts";
import type { PeftModel } from "../peftModel/peftModel.ts";
import { type BuiltModel, onShapes, type Part, type PlannableModel } from "./onShapes.ts";
import { type PlannedModel, type RunSizes, readPrompt, trainedParameters, trainStep } from "./shapeRuns.ts";
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

/** Memory that a training step and generation need, in bytes. */
export interface MemoryPlan extends RunSizes {
  /** The base model's weights: quantised ones, other ones, and their total bytes. */
  readonly weights: { readonly quantized: Part; readonly rest: Part; readonly bytes: number };
  /**
   * The adapter: its number of trainable elements, and its bytes including constants. Zero if the whole model is
   * trained.
   */
  readonly adapter: Part;
  /** The gradients of all trained parameters. */
  readonly gradients: Part;
  /**
   * Bytes of the quantised copies of frozen weights that exist after a training step (`training`), and after a prompt
   * was processed (`generation`).
   */
  readonly copies: { readonly training: number; readonly generation: number };
  /** Bytes that the optimiser keeps between steps. */
  readonly optimizer: number;
  /** Peak bytes of temporary tensors and of tensors that are kept for the backward pass. */
  readonly activations: number;
  /**
   * Peak memory of a training step. It includes weights with their quantised copies, adapter, optimiser state, and the
   * gradients and activations that exist at the peak.
   */
  readonly training: Peak;
  /** Bytes of the cached keys and values for `sequenceLength` tokens. 0 if the model does not generate. */
  readonly kvCache: number;
  /**
   * Peak memory in bytes while a prompt of `sequenceLength` tokens is processed: weights with their quantised copies,
   * adapter, cache and activations. 0 if the model does not generate.
   */
  readonly generation: number;
  /** Notes about requested settings that the estimate includes but that Lowrank's training does not support. */
  readonly notes: readonly string[];
  /** Warnings, for example about targets that match nothing. */
  readonly warnings: readonly Warning[];
}

/**
 * Estimates the memory for fine-tuning and for generation, in bytes of tensors. Builds the model and trains it for one
 * step with shapes only (`meta`). Nothing is computed or allocated, but the estimate equals a real run's. `model` comes
 * from `describeModel` of @lowrank/models. Throws for targets that match nothing, and for sequences that are too long.
 */
export async function planMemory(model: PlannableModel, options: PlanOptions = {}): Promise<MemoryPlan> {
  checkOptions("planMemory", options, {
    ...({ adapter: true, quantization: true, dtype: true, adapterDtype: true, gradientDtype: true } as const),
    ...({ optimizer: true, batchSize: true, sequenceLength: true, gradientAccumulationSteps: true } as const),
    ...({ gradientCheckpointing: true, precision: true, backend: true, loss: true } as const),
  });
  const {
    adapter = null,
    dtype = "f32",
    adapterDtype = "f32",
    optimizer = "adamw",
    quantization = null,
    backend,
  } = options;
  if (adapter === null && quantization) {
    throw new Error("planMemory: quantised weights cannot be trained; give an adapter, or leave quantization out");
  }
  const precision = checkPrecision("planMemory", options.precision ?? "highest");
  const trainedDtype = adapter ? adapterDtype : dtype;
  const { gradientDtype = trainedDtype } = options;
  const gradientBytes = bytesPerElement(gradientDtype);
  const warnings: Warning[] = [];
  const shapesOptions = { adapter, dtype, quantization, precision, backend };
  const step = await onShapes(model, { ...shapesOptions, onWarning: (warning) => warnings.push(warning) });
  if (options.gradientCheckpointing) step.base.gradientCheckpointingEnable();
  const sizes = runSizes(step.base, options);
  // Counted before the step, since layers create and keep further constants during it.
  const constants = constantBytes(step.adapted);
  const stepCopies = new WeightCopies();
  const traced = step.run((shapes) =>
    stepCopies.during(shapes, () => trainStep(shapes, step.adapted ?? step.base, sizes, gradientBytes, options.loss)),
  );
  const prompt = await onShapes(model, { ...shapesOptions, onWarning: () => {} });
  const promptCopies = new WeightCopies();
  const promptRun = prompt.run((shapes) => promptCopies.during(shapes, () => readPrompt(shapes, prompt.base, sizes)));
  const copies = { training: stepCopies.bytes, generation: promptCopies.bytes };

  const trained = trainedParameters(step.adapted ?? step.base);
  const parameters = trained.reduce((sum, { size }) => sum + size, 0);
  const bytesOfTrained = (width: number) =>
    step.run((shapes) => trained.reduce((sum, { size }) => sum + shapes.planned(size * width), 0));
  const adapterPart: Part = adapter
    ? { parameters, bytes: bytesOfTrained(bytesPerElement(adapterDtype)) + constants }
    : { parameters: 0, bytes: constants };
  const { quantized, rest } = step.weights;
  const residentBytes = quantized.bytes + rest.bytes + adapterPart.bytes;
  const optimizerRun = traceOptimizer(optimizer, trained, backend);
  const gradients: Part = { parameters, bytes: bytesOfTrained(gradientBytes) };
  const worst = worseOf(traced.peak, stepPeak(traced, optimizerRun, gradients.bytes));
  return {
    ...sizes,
    weights: { quantized, rest, bytes: quantized.bytes + rest.bytes },
    adapter: adapterPart,
    gradients,
    copies,
    optimizer: optimizerRun.held,
    activations: traced.mostActivations,
    training: { ...worst, bytes: residentBytes + copies.training + optimizerRun.held + worst.bytes },
    kvCache: promptRun?.kvCache ?? 0,
    generation: promptRun ? residentBytes + copies.generation + promptRun.bytes : 0,
    notes: dtypeNotes({ trained: trainedDtype, gradients: gradientDtype, here: adapter ? "f32" : dtype }),
    warnings,
  };
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
function constantBytes(adapted: PeftModel<BuiltModel> | null): number {
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
function runSizes({ maxPositions, virtualTokens }: BuiltModel, options: PlanOptions): RunSizes {
  const virtual = virtualTokens?.count ?? 0;
  const room = maxPositions - virtual;
  const { batchSize = 1, sequenceLength = Math.min(512, room), gradientAccumulationSteps = 1 } = options;
  const sizes = { batchSize, sequenceLength, gradientAccumulationSteps };
  for (const [name, value] of Object.entries(sizes)) {
    if (!Number.isSafeInteger(value) || value < 1) {
      throw new OptionError("planMemory", name, value, `is ${value}; it must be a whole number of at least 1`);
    }
  }
  if (sequenceLength <= room) return sizes;
  const virtualShare = virtual > 0 ? `, of which virtual tokens take ${virtual}` : "";
  const problem = `the model has ${maxPositions} positions${virtualShare}; give ${room} or less`;
  throw new OptionError("planMemory", "sequenceLength", sequenceLength, `is ${sequenceLength}, but ${problem}`);
}
