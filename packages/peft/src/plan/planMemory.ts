import {
  type Backend,
  bytesPerElement,
  checkOptions,
  checkPrecision,
  type MatmulPrecision,
  type MetaBuffer,
  type OptionKeys,
  type Tensor,
} from "@lowrank/core";
import type { QuantizeOptions } from "@lowrank/nn";
import type { PeftConfig } from "../config/peftConfig.ts";
import type { Warning } from "../config/warning.ts";
import type { FloatDType } from "../methods/shared/methodFacts.ts";
import type { PeftModel } from "../peftModel/peftModel.ts";
import { onShapes, type Part } from "./onShapes.ts";
import type { BuiltModel, PlannableModel } from "./plannableModel.ts";
import { type PlannedModel, type RunSizes, readPrompt, trainedParameters, trainStep } from "./shapeRuns.ts";
import type { Peak, Traced } from "./trace.ts";
import { type PlannedOptimizer, traceOptimizer } from "./traceOptimizer.ts";
import { WeightCopies } from "./weightCopies.ts";

/** Options of `planMemory`. */
export interface PlanOptions {
  /** The adapter that trains; null: the whole model does. Default null. */
  adapter?: PeftConfig | null;
  /**
   * The quantisation of the base model's linear layers, by `quantize` of
   * @lowrank/nn. Default: none.
   */
  quantization?: QuantizeOptions | null;
  /** The dtype of the base model's other weights. Default f32. */
  dtype?: FloatDType;
  /** The dtype of the adapter. Default f32, as here and in PEFT. */
  adapterDtype?: FloatDType;
  /** Default: that of the trained parameters. */
  gradientDtype?: FloatDType;
  /** Default "adamw", with moments in f32. */
  optimizer?: PlannedOptimizer;
  /** Sequences in a forward pass. Default 1. */
  batchSize?: number;
  /** Tokens in a sequence. Default 512, or where the model ends. */
  sequenceLength?: number;
  /** Forward passes that make one step. Default 1. */
  gradientAccumulationSteps?: number;
  /**
   * Gives the loss of a step on a model without weights. Default: that of a language model, on
   * `batchSize` sequences of `sequenceLength` tokens.
   */
  loss?: (model: PlannedModel) => Tensor;
  /** Blocks forget their activations and compute them again. Default false. */
  gradientCheckpointing?: boolean;
  /**
   * The precision of products with frozen weights: WebAssembly keeps copies of these for it.
   * Default "highest": f32, without copies.
   */
  precision?: MatmulPrecision;
  /**
   * The backend to plan for: an op without a kernel is planned as its composition.
   * Default: that of `meta`.
   */
  backend?: Backend;
}

/** The memory of a training step and of generating, in bytes. */
export interface MemoryPlan extends RunSizes {
  /** The base model: its quantised weights, and the rest. */
  readonly weights: { readonly quantized: Part; readonly rest: Part; readonly bytes: number };
  /**
   * The parameters of the adapter that train, and its bytes with its constants; zeros
   * if the whole model trains.
   */
  readonly adapter: Part;
  /** All that trains, and its gradients. */
  readonly gradients: Part;
  /** The codes that are kept beside frozen weights: after a step, and after a prompt. */
  readonly copies: { readonly training: number; readonly generation: number };
  /** Bytes that the optimiser keeps between steps. */
  readonly optimizer: number;
  /** The most that ops keep and work on at a time. */
  readonly activations: number;
  /**
   * A step at its worst moment: weights and their copies, adapter and optimiser, with the gradients
   * and activations of that moment.
   */
  readonly training: Peak;
  /** Keys and values of `sequenceLength` tokens; 0 for a model that generates nothing. */
  readonly kvCache: number;
  /**
   * Reading a prompt of `sequenceLength` tokens at its worst moment: weights and their copies,
   * adapter, cache and activations. 0 for a model that generates nothing.
   */
  readonly generation: number;
  /** Notes on requests that this engine's training does not follow, though the plan does. */
  readonly notes: readonly string[];
  /** About targets that match nothing, and the like. */
  readonly warnings: readonly Warning[];
}

const planKeys: OptionKeys<PlanOptions> = {
  ...({ adapter: true, quantization: true, dtype: true, adapterDtype: true, gradientDtype: true } as const),
  ...({ optimizer: true, batchSize: true, sequenceLength: true, gradientAccumulationSteps: true } as const),
  ...({ gradientCheckpointing: true, precision: true, backend: true, loss: true } as const),
};

/**
 * The memory that fine-tuning and generating take, in bytes of tensors. The model is built and
 * trained for one step on shapes alone (`meta`), so the figures are those of this engine; nothing
 * is computed or allocated. `describeModel` of @lowrank/models makes `model`. Throws for targets
 * that match nothing, and for sequences that are too long.
 */
export async function planMemory(model: PlannableModel, options: PlanOptions = {}): Promise<MemoryPlan> {
  checkOptions("planMemory", options, planKeys);
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
  // Before the step, which counts what layers come to keep in it.
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
 * Returns the worst moment of an optimiser's step, beside the optimiser's state. Gradients and all
 * else that the backward pass left are there, and what the step works on.
 */
function stepPeak(before: Traced, { peak, held }: Traced, gradients: number): Peak {
  const bytes = before.held + peak.bytes - held;
  return { ...peak, bytes, gradients, activations: bytes - gradients };
}

const worseOf = (a: Peak, b: Peak): Peak => (b.bytes > a.bytes ? b : a);

/** Returns the bytes of an adapter's tensors that do not train, such as VeRA's projections. */
function constantBytes(adapted: PeftModel<BuiltModel> | null): number {
  if (adapted === null) return 0;
  const constants = [...adapted.base_model.constants("default")];
  return constants.reduce((sum, { storage }) => sum + (storage.buffer as MetaBuffer).planned, 0);
}

/** A note where what trains is reckoned in other dtypes than it has here. */
function dtypeNotes({ trained, gradients, here }: Record<"trained" | "gradients" | "here", FloatDType>): string[] {
  if (trained === here && gradients === here) return [];
  return [`reckoned with ${trained} for what trains, ${gradients} for its gradients; Lowrank itself trains in ${here}`];
}

/** `model` with its adapter: virtual tokens leave fewer positions to others. */
function runSizes({ maxPositions, virtualTokens }: BuiltModel, options: PlanOptions): RunSizes {
  const virtual = virtualTokens?.count ?? 0;
  const room = maxPositions - virtual;
  const { batchSize = 1, sequenceLength = Math.min(512, room), gradientAccumulationSteps = 1 } = options;
  const sizes = { batchSize, sequenceLength, gradientAccumulationSteps };
  for (const [name, value] of Object.entries(sizes)) {
    if (!Number.isSafeInteger(value) || value < 1) {
      throw new Error(`planMemory: ${name} is ${value}; it must be a whole number of at least 1`);
    }
  }
  if (sequenceLength <= room) return sizes;
  const virtualShare = virtual > 0 ? `, of which virtual tokens take ${virtual}` : "";
  throw new Error(
    `planMemory: sequenceLength is ${sequenceLength}, but the model has ${maxPositions} positions${virtualShare}; give ${room} or less`,
  );
}
