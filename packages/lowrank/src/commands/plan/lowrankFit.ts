import type { MemoryPlan } from "@lowrank/peft";
import { adapterMethods, findMethods, type Method } from "../../report/methods.ts";
import type { PlanCommandOptions } from "./plan.ts";

/** Result of checking if Lowrank can train and run a model in the available memory. */
export interface LowrankFit {
  /** Bytes available: the size of a WebAssembly memory, or the budget of `--memory` if that is smaller. */
  readonly bytes: number;
  readonly training: boolean;
  readonly generation: boolean;
  /**
   * If the training does not fit into memory: flags with which it fits, and the bytes of a training step with these
   * flags. Null if the training fits, or if no flags help.
   */
  readonly instead: { readonly flags: string; readonly training: number } | null;
}

/** Flags that make a training use less memory. */
interface Change {
  readonly flags: string;
  readonly options: Partial<PlanCommandOptions>;
}

/** Checks if Lowrank can train as planned in `bytes` of memory. If not, finds flags with which it can. */
export async function fitLowrank(
  plan: MemoryPlan,
  options: PlanCommandOptions,
  bytes: number,
  again: (options: PlanCommandOptions) => Promise<MemoryPlan>,
): Promise<LowrankFit> {
  const [training, generation] = [plan.training.bytes <= bytes, plan.generation <= bytes];
  if (training) return { bytes, training, generation, instead: null };
  for (const { flags, options: changed } of changes(plan, options)) {
    const found = await again({ ...options, ...changed });
    if (found.training.bytes <= bytes) {
      return { bytes, training, generation, instead: { flags, training: found.training.bytes } };
    }
  }
  return { bytes, training, generation, instead: null };
}

/**
 * Returns sets of flags to try, in order of their cost to the user. Each set contains the flags of all sets before it.
 */
function changes(plan: MemoryPlan, options: PlanCommandOptions): Change[] {
  const { batch, accumulate } = options;
  const [method] = findMethods([options.method]);
  const steps: Change[] = [];
  if (!options.gradientCheckpointing) {
    steps.push({ flags: "--gradient-checkpointing", options: { gradientCheckpointing: true } });
  }
  if (batch > 1) {
    const passes = batch * accumulate;
    steps.push({ flags: `--batch 1 --accumulate ${passes}`, options: { batch: 1, accumulate: passes } });
  }
  const packed = options.peftConfig === undefined ? packedTwin(method) : null;
  if (packed) {
    const quantized = { method: packed.name, doubleQuant: true };
    steps.push({ flags: `--method ${packed.name} --double-quant`, options: quantized });
  }
  for (const seq of [256, 128]) {
    if (plan.sequenceLength > seq) steps.push({ flags: `--seq ${seq}`, options: { seq } });
  }
  return steps.map((_, i) => {
    const all = steps.slice(0, i + 1);
    return { flags: flagsOf(all), options: Object.assign({}, ...all.map((step) => step.options)) };
  });
}

/**
 * Returns a method preset that quantises the base model, with the same PEFT method as the given preset. For full
 * fine-tuning, returns any preset that quantises the base model. Returns null if there is none, or if the given preset
 * already quantises.
 */
function packedTwin({ peft, quantized }: Method): Method | null {
  if (quantized) return null;
  return adapterMethods().find((other) => other.quantized && (peft === null || other.peft === peft)) ?? null;
}

/** Joins flags as text. If several changes set the same options, only the last one's flags are kept. */
function flagsOf(all: readonly Change[]): string {
  const last = all.filter(({ options }, i) => {
    const keys = Object.keys(options).join();
    return all.findLastIndex((other) => Object.keys(other.options).join() === keys) === i;
  });
  return last.map(({ flags }) => flags).join(" ");
}
