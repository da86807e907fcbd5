import type { ModelDescription } from "@lowrank/models";
import { devices, type MemoryPlan } from "@lowrank/peft";
import { webAssemblyMemory } from "@lowrank/peft/internal";
import { toQuantizeOptions } from "../../cli/options/quantizeOptions.ts";
import type { LowrankFit } from "./lowrankFit.ts";
import type { PlanCommandOptions } from "./plan.ts";

const whole = (n: number): string => n.toLocaleString("en-US");

/** Formats bytes as MB (10^6 bytes) with one decimal. */
function mega(bytes: number): string {
  return (bytes / 1e6).toLocaleString("en-US", { minimumFractionDigits: 1, maximumFractionDigits: 1 });
}

/** Returns the lines that `lowrank plan` prints. */
export function planLines(
  source: string,
  model: ModelDescription,
  plan: MemoryPlan,
  fit: LowrankFit,
  options: PlanCommandOptions,
): string[] {
  const rows = [
    ["weights", plan.weights.bytes, weightsNote(plan, options)],
    ...(plan.adapter.parameters > 0 ? [["adapter", plan.adapter.bytes, options.adapterDtype ?? "f32"] as const] : []),
    ...(plan.copies.training > 0 ? [["copies", plan.copies.training, copiesNote(options)] as const] : []),
    ["optimiser", plan.optimizer, options.optimizer],
    ["gradients", plan.gradients.bytes, `${whole(plan.gradients.parameters)} parameters train`],
    ["activations", plan.activations, options.gradientCheckpointing ? "with checkpointing" : "all kept"],
    ["training step", plan.training.bytes, worstMoment(plan)],
    ["KV cache", plan.kvCache, `${whole(plan.batchSize * plan.sequenceLength)} tokens in f32`],
    ["generating", plan.generation, "weights, adapter, cache, and reading the prompt"],
  ] as const;
  const cells = rows.map(([name, bytes, note]) => [name, mega(bytes), note]);
  const width = Math.max(...cells.map(([, size]) => size.length));
  return [
    `${source}: ${model.modelType}, ${whole(model.parameterCount)} parameters`,
    `${options.method}, ${plan.batchSize} x ${whole(plan.sequenceLength)} tokens${passes(plan)}; MB of 10^6 bytes`,
    "",
    ...lowrankLines(plan, fit),
    ...(options.memory === undefined ? [] : budgetLines(plan, options.memory)),
    "",
    ...cells.map(([name, size, note]) => `${name.padEnd(13)}  ${size.padStart(width)}  ${note}`),
    ...plan.notes.map((note) => `note: ${note}`),
    "",
    `activations at the worst moment: ${plan.training.byOp.map(({ op, bytes }) => `${op} ${mega(bytes)}`).join(", ")}`,
    "",
    ...fitLines("training", plan.training.bytes),
    ...fitLines("generating", plan.generation),
  ];
}

function passes({ gradientAccumulationSteps: count }: MemoryPlan): string {
  return count === 1 ? "" : `, ${count} passes a step`;
}

function weightsNote({ weights: { quantized, rest } }: MemoryPlan, options: PlanCommandOptions): string {
  const plain = `${whole(rest.parameters)} in ${options.dtype}: ${mega(rest.bytes)}`;
  if (quantized.parameters === 0) return plain;
  const { quantType, doubleQuant } = toQuantizeOptions(options);
  const scales = doubleQuant ? " with double quantisation" : "";
  return `${whole(quantized.parameters)} in ${quantType}${scales}: ${mega(quantized.bytes)}, ${plain}`;
}

function copiesNote({ precision }: PlanCommandOptions): string {
  return `codes of frozen weights, for ${precision} precision on WebAssembly`;
}

function worstMoment({ training: { phase, gradients, activations } }: MemoryPlan): string {
  return `at most, in the ${phase} pass, with ${mega(gradients)} of gradients and ${mega(activations)} of activations`;
}

/** Returns lines that compare the memory for training and for generation with the budget of `--memory`. */
function budgetLines({ training, generation }: MemoryPlan, budget: number): string[] {
  const line = (what: string, bytes: number) => {
    const rest = mega(Math.abs(budget - bytes));
    const fits = bytes <= budget ? `fits, with ${rest} MB left` : `does not fit: ${rest} MB more are needed`;
    return `${what} in the ${mega(budget)} MB of --memory: ${fits}`;
  };
  return [line("training", training.bytes), line("generating", generation)];
}

/** Returns lines on whether Lowrank itself can train and run the model. */
function lowrankLines({ training, generation }: MemoryPlan, fit: LowrankFit): string[] {
  const whose = fit.bytes < webAssemblyMemory.bytes ? "--memory" : "a WebAssembly memory";
  const memory = `the ${mega(fit.bytes)} MB of ${whose}`;
  const runs = fit.generation
    ? `Lowrank can generate with it: ${mega(generation)} of ${memory}`
    : `Lowrank cannot generate with it: ${mega(generation)} exceed ${memory}`;
  if (fit.training) return [`Lowrank can train it: a step takes ${mega(training.bytes)} of ${memory}`, runs];
  const cannot = `Lowrank cannot train it so: a step takes ${mega(training.bytes)}, more than ${memory}`;
  const how = fit.instead
    ? `Lowrank can train it with ${fit.instead.flags}: a step then takes ${mega(fit.instead.training)}`
    : "none of checkpointing, 4 bits, one sequence at a time and short ones makes it fit; take a smaller model, or --backend webgpu on a device below";
  return [cannot, how, runs];
}

function fitLines(what: string, bytes: number): string[] {
  const others = devices.filter((device) => device !== webAssemblyMemory);
  const names = (fits: boolean) => others.filter((device) => bytes <= device.bytes === fits).map(({ name }) => name);
  const [fitting, tooSmall] = [names(true), names(false)];
  return [
    `${what} fits elsewhere: ${fitting.join(", ") || "none of the devices known here"}`,
    ...(tooSmall.length > 0 ? [`${what} does not fit: ${tooSmall.join(", ")}`] : []),
  ];
}

/** The output of `lowrank plan --json`; sizes in bytes. */
interface PlanJson extends MemoryPlan {
  modelType: string;
  parameters: number;
  method: string;
  /** Result of checking if Lowrank itself can train and run the model. */
  lowrank: LowrankFit;
  /** Result of checking if training and generation fit into `--memory`; null without that option. */
  memory: { bytes: number; training: boolean; generation: boolean } | null;
  devices: { name: string; bytes: number; training: boolean; generation: boolean }[];
}

/** Returns the output of `lowrank plan --json`. */
export function planJson(
  model: ModelDescription,
  plan: MemoryPlan,
  lowrank: LowrankFit,
  { method, memory: budget }: PlanCommandOptions,
): PlanJson {
  const within = (bytes: number) => ({
    training: plan.training.bytes <= bytes,
    generation: plan.generation <= bytes,
  });
  const memory = budget === undefined ? null : { bytes: budget, ...within(budget) };
  const fits = devices.map((device) => ({
    ...device,
    ...within(device.bytes),
  }));
  return {
    modelType: model.modelType,
    parameters: model.parameterCount,
    method,
    lowrank,
    memory,
    ...plan,
    devices: fits,
  };
}
