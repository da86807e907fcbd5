import { checkOptions, checkPrecision } from "@lowrank/core/internal";
import { type BuiltModel, type ModelShapes, onShapes } from "./onShapes.ts";
import { type PlanOptions, planTraining, shapesOptions, type TrainingPlan } from "./planTraining.ts";
import { readPrompt } from "./shapeRuns.ts";
import { WeightCopies } from "./weightCopies.ts";

/** Memory that a training step and generation need, in bytes. */
export interface MemoryPlan extends TrainingPlan {
  /**
   * Bytes of the quantised copies of frozen weights that exist after a training step (`training`), and after a prompt
   * was processed (`generation`).
   */
  readonly copies: { readonly training: number; readonly generation: number };
  /** Bytes of the cached keys and values for `sequenceLength` tokens. 0 if the model does not generate. */
  readonly kvCache: number;
  /**
   * Peak memory in bytes while a prompt of `sequenceLength` tokens is processed: weights with their quantised copies,
   * adapter, cache and activations. 0 if the model does not generate.
   */
  readonly generation: number;
}

/**
 * Estimates the memory for fine-tuning and for generation, in bytes of tensors. Builds the model and trains it for one
 * step with shapes only (`meta`). Nothing is computed or allocated, but the estimate equals a real run's. `model` comes
 * from `describeModel` of @lowrank/models, or from `describeModule` with inputs. Throws for targets that match nothing,
 * for sequences that are too long, and for a model without a loss.
 *
 * @example
 * ```ts
 * const plan = await planMemory(describeModel(presetConfig("llama-7b")), {
 *   adapter: new LoraConfig({ targetModules: "all-linear" }),
 *   quantization: { quantType: "nf4" },
 * });
 * console.log(plan.training.bytes);
 * ```
 */
export async function planMemory(model: ModelShapes, options: PlanOptions = {}): Promise<MemoryPlan> {
  checkOptions("planMemory", options, {
    ...({ adapter: true, quantization: true, dtype: true, adapterDtype: true, gradientDtype: true } as const),
    ...({ optimizer: true, batchSize: true, sequenceLength: true, gradientAccumulationSteps: true } as const),
    ...({ gradientCheckpointing: true, precision: true, backend: true, loss: true } as const),
  });
  checkPrecision("planMemory", options.precision ?? "highest");
  const { plan, copies, resident } = await planTraining("planMemory", model, options);
  const prompt = await onShapes(model, { ...shapesOptions(options), onWarning: () => {} });
  const promptCopies = new WeightCopies();
  const promptRun = prompt.run((shapes) =>
    promptCopies.during(shapes, () => readPrompt(shapes, prompt.base as BuiltModel, plan)),
  );
  return {
    ...plan,
    copies: { training: copies, generation: promptCopies.bytes },
    kvCache: promptRun?.kvCache ?? 0,
    generation: promptRun ? resident + promptCopies.bytes + promptRun.bytes : 0,
  };
}
