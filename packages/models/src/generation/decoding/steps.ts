import { OptionError, yieldIfDue } from "@lowrank/core";
import type { CausalLM } from "../../model/causalLM.ts";
import type { Processing, ProcessingOptions } from "../settings/processing.ts";
import type { GenerationSettings } from "../settings/settings.ts";
import { type Decoding, type EndTest, RowDecoding } from "./decoding.ts";

/** A language model, or a model with adapters on it, such as a `PeftModel`. */
export type GenerativeModel = CausalLM | { readonly baseModel: CausalLM };

/** Returns the language model itself. Adapters on it stay active. */
export function languageModel(model: GenerativeModel): CausalLM {
  return "baseModel" in model ? model.baseModel : model;
}

/**
 * Continues the prompts step by step, and yields the same `Decoding` object after each step. The object is disposed of
 * when the loop ends or is left early.
 */
export async function* generationSteps(
  model: CausalLM,
  prompts: readonly (readonly number[])[],
  settings: GenerationSettings,
  ends: EndTest,
): AsyncGenerator<Decoding, void, void> {
  const { signal } = settings;
  signal?.throwIfAborted();
  const longest = checkPrompts(prompts);
  checkTaskIds(prompts.length, settings.taskIds);
  const maxNewTokens = newTokens(model, longest, settings);
  const wasTraining = model.training;
  model.eval();
  try {
    const sized = { ...settings, maxNewTokens, capacity: longest + maxNewTokens };
    using decoding = await decodingOf(model, prompts, sized, ends);
    for (let step = 0; step < maxNewTokens && !decoding.done; step++) {
      await decoding.step();
      await yieldIfDue();
      signal?.throwIfAborted();
      yield decoding;
      signal?.throwIfAborted();
    }
  } finally {
    model.train(wasTraining);
  }
}

/**
 * Makes the `Decoding` for the settings: beam search, sampling, or greedy decoding. Imports only the modules that it
 * needs.
 */
async function decodingOf(
  model: CausalLM,
  prompts: readonly (readonly number[])[],
  settings: GenerationSettings & { capacity: number; maxNewTokens: number },
  ends: EndTest,
): Promise<Decoding> {
  const { numBeams, numReturnSequences, doSample } = settings;
  if (numBeams > 1) {
    const { BeamDecoding } = await import("./beamDecoding.ts");
    return new BeamDecoding(model, prompts, settings, ends, await processingOf(settings, model, prompts.length));
  }
  const draw = doSample ? (await import("./drawTokens.ts")).drawTokens : null;
  const rows = repeated(prompts, numReturnSequences);
  const taskIds = settings.taskIds && repeated(settings.taskIds, numReturnSequences);
  return new RowDecoding(
    model,
    rows,
    { ...settings, taskIds },
    ends,
    await processingOf(settings, model, rows.length),
    draw,
  );
}

/** Settings that require a `Processing` object, which changes the logits before each token is chosen. */
const processed = [
  ...(["repetitionPenalty", "frequencyPenalty", "presencePenalty", "logitsProcessors"] as const),
  ...(["noRepeatNgramSize", "badWordsIds", "suppressTokens", "minNewTokens"] as const),
] satisfies (keyof ProcessingOptions)[];

/** Makes the object that processes logits before tokens are chosen; null if no setting requires it. */
async function processingOf(settings: GenerationSettings, model: CausalLM, rows: number): Promise<Processing | null> {
  if (processed.every((name) => settings[name] === undefined)) return null;
  const { Processing } = await import("../settings/processing.ts");
  return new Processing(settings, model, rows);
}

/** Repeats each item `times` times. The copies are adjacent. */
export function repeated<T>(items: readonly T[], times: number): T[] {
  return items.flatMap((item) => new Array<T>(times).fill(item));
}

/** Throws unless there is one task id for each prompt, or none at all. The adapter checks the ids themselves. */
function checkTaskIds(prompts: number, taskIds: readonly number[] | undefined): void {
  if (taskIds === undefined || taskIds.length === prompts) return;
  const problem = `has ${taskIds.length} elements for ${prompts} prompts; give the task of each prompt`;
  throw new OptionError("generate", "taskIds", taskIds, problem);
}

/** Returns the length of the longest prompt. Throws if a prompt is empty or if there is no prompt. */
function checkPrompts(prompts: readonly (readonly number[])[]): number {
  const empty = prompts.findIndex((p) => p.length === 0);
  if (prompts.length === 0 || empty >= 0) {
    throw new Error(`generate: prompt ${Math.max(empty, 0)} is empty; start from a BOS token at least`);
  }
  return Math.max(...prompts.map((p) => p.length));
}

/**
 * Returns the maximum number of new tokens: `maxNewTokens` if it is set, otherwise the generation config's limit,
 * otherwise as many as fit in the model's positions. Throws if `maxNewTokens` does not fit in the model's positions.
 */
function newTokens(model: CausalLM, longest: number, { maxNewTokens, generationConfig }: GenerationSettings): number {
  const virtual = model.virtualTokens?.count ?? 0;
  const room = model.maxPositions - virtual - longest;
  if (room < (maxNewTokens ?? 0)) {
    const start = virtual > 0 ? `${virtual} virtual tokens, ` : "";
    throw new OptionError("generate", "maxNewTokens", maxNewTokens, (named) => {
      const option = named("maxNewTokens");
      const flag = option === "maxNewTokens" ? "" : ` (${option})`;
      return `${start}${longest} prompt tokens and ${maxNewTokens ?? 0} new ones${flag} exceed the model's ${model.maxPositions} positions`;
    });
  }
  if (maxNewTokens !== undefined) return maxNewTokens;
  const { maxNewTokens: advised = null, maxLength = null } = generationConfig ?? {};
  if (advised === null && maxLength !== null && maxLength <= longest) {
    throw new OptionError("generate", "maxNewTokens", maxNewTokens, (named) => {
      return `the model's max_length of ${maxLength} leaves no room after ${longest} prompt tokens; give ${named("maxNewTokens")}`;
    });
  }
  return Math.min(room, advised ?? (maxLength === null ? room : maxLength - longest));
}
