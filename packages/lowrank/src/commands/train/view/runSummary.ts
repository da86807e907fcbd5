import { join } from "node:path";
import { quantizeWords } from "../../../cli/options/quantizeOptions.ts";
import { shellWord } from "../../../cli/output.ts";
import { formatSeconds } from "../../../report/table.ts";
import { isStep, isValidation, measuresOf, type ValidationLine } from "../files/metricsLog.ts";
import type { RunRecord } from "../files/runConfig.ts";
import type { Learner } from "../learner.ts";
import type { PreparedRun } from "../prepareRun.ts";
import type { TrainCommandOptions } from "../train.ts";
import type { TrainedSteps } from "../trainSteps.ts";

type FinishedSteps = Omit<TrainedSteps, "log">;

/** Returns a line for each metric, with its values in the first and the last validation. */
function measureLines(validations: readonly ValidationLine[]): string[] {
  const [first] = validations;
  const names = first ? [...measuresOf(first).keys()].filter((name) => name !== "perplexity") : [];
  return names.map((name) => {
    const values = validations.map((line) => {
      const measures = measuresOf(line);
      const perplexity = name === "loss" ? measures.get("perplexity") : undefined;
      const more = perplexity === undefined ? "" : ` (perplexity ${perplexity.toFixed(1)})`;
      return `${measures.get(name)?.toFixed(4)} at step ${line.step}${more}`;
    });
    // Only a cross-entropy loss has a perplexity.
    const unit = name === "loss" && measuresOf(first).has("perplexity") ? ", nats per token" : "";
    return `validation ${name}${unit}: ${values.join(", ")}`;
  });
}

/** Returns the lines about a finished run's losses, speed and memory. */
export function runSummary(
  { result, stepSeconds, maxSteps }: FinishedSteps,
  { metrics, peakMemory }: RunRecord,
  { precision, output }: TrainCommandOptions,
): string[] {
  const lines: string[] = [];
  const validations = metrics.filter(isValidation);
  const ends = new Set([...validations.slice(0, 1), ...validations.slice(-1)]);
  lines.push(...measureLines([...ends]));
  if (result.best) lines.push(`best evaluation: step ${result.best.step}, ${result.best.metric.toFixed(4)}`);
  if (result.stoppedEarly) lines.push(`stopped early, after step ${result.steps} of ${maxSteps}`);
  else if (result.steps < maxSteps)
    lines.push(
      `stopped after step ${result.steps} of ${maxSteps}; the adapter is as it was then, and --resume ${shellWord(output)} continues`,
    );
  if (stepSeconds.length > 0) {
    const median = stepSeconds.toSorted((a, b) => a - b)[Math.floor(stepSeconds.length / 2)];
    const speed = Math.round(result.tokens / result.seconds).toLocaleString("en-US");
    const took = `${stepSeconds.length} steps in ${formatSeconds(result.seconds)}`;
    const rounded = precision === undefined ? "" : `, ${precision} precision`;
    lines.push(`speed: ${took}, ${speed} tokens/s, ${Math.round(median * 1000)} ms a step (median)${rounded}`);
  }
  lines.push(`peak memory: ${Math.round(peakMemory / 2 ** 20)} MiB`);
  return lines;
}

/** Returns the JSON object for `--json`. */
export function resultOf(
  { output }: TrainCommandOptions,
  { metrics, steps, maxSteps, peftType, baseModel, parameters, tokens, seconds, peakMemory, warnings }: RunRecord,
  { interrupted, resumedFrom, result: { best, stoppedEarly } }: FinishedSteps,
  files: readonly string[],
): object {
  const validations = metrics.filter(isValidation);
  return {
    output,
    files,
    baseModel,
    peftType,
    parameters,
    steps,
    maxSteps,
    interrupted: interrupted?.message ?? null,
    resumedFrom,
    loss: metrics.findLast(isStep)?.loss ?? null,
    validation: { first: validations[0] ?? null, last: validations.at(-1) ?? null },
    best,
    stoppedEarly,
    tokens,
    seconds,
    peakMemory,
    warnings,
  };
}

/**
 * Returns a line that compares the loss before and after training, both measured without the adapter. Throws if they
 * differ, since training then changed the base model.
 */
export function baseCheck(before: number, after: number): string {
  const losses = `loss ${before.toFixed(6)} before, ${after.toFixed(6)} after`;
  if (Object.is(before, after)) return `base model with the adapter off: ${losses}, bit-identical`;
  throw new Error(
    `training changed the base model: with the adapter disabled, ${losses}; the adapter was saved, but may be wrong`,
  );
}

/** Returns the lines that name the written files, and the commands that use them. */
export function nextSteps(
  { model, output }: TrainCommandOptions,
  { task, loaded: { quantize } }: PreparedRun,
  { adapted, mergeable, note }: Learner,
  { files, chats }: { readonly files: readonly string[]; readonly chats: boolean },
): string[] {
  const prompt = `${chats ? "--chat " : ""}--prompt "..."`;
  const written = [`wrote ${output}: ${files.join(", ")}`, ...(note === null ? [] : [note])];
  if (!adapted && !task.kind.writes) return written;
  const wrote = [...written, "next:"];
  if (!task.kind.writes) return [...wrote, `  ${shellWord(join(output, "README.md"))} has the code that uses it`];
  if (!adapted) return [...wrote, `  lowrank generate --model ${shellWord(output)} ${prompt}`];
  const folders = `--model ${shellWord(model)} --adapter ${shellWord(output)}`;
  const asTrained = quantize ? `${folders} ${quantizeWords(quantize)}` : folders;
  const merged = shellWord(`${output.replace(/\/+$/, "")}-merged`);
  return [
    ...wrote,
    `  lowrank generate ${asTrained} ${prompt}`,
    ...(mergeable ? [`  lowrank merge ${asTrained} --output ${merged}`] : []),
    // `lowrank serve` does not quantise its model, and serves several adapters at once.
    ...(mergeable && !quantize ? [`  lowrank serve ${shellWord(model)} --adapter mine=${shellWord(output)}`] : []),
  ];
}
