import { mkdir, rename, rm, rmdir } from "node:fs/promises";
import { type LoadedModel, saveModel } from "@lowrank/models";
import type { MergeReport } from "@lowrank/peft";
import { Command, Option } from "commander";
import { loadModel } from "../loadModel.ts";
import { quantizedWords } from "../report/methods.ts";
import { type Answer, answer, compareAnswers } from "./answer.ts";
import { backendOption, describeBackend } from "./backends.ts";
import { loadWithTokenizer, useAdapter } from "./loading.ts";
import { addModelOption } from "./modelOption.ts";
import { checkEmpty, checkOutput, shellWord } from "./output.ts";
import { addQuantizeOptions, type QuantizeCommandOptions, quantizeToLoad } from "./quantizeOptions.ts";

interface MergeCommandOptions extends QuantizeCommandOptions {
  model: string;
  adapter: string;
  output: string;
  dtype?: "f32" | "f16" | "bf16";
  requantize?: boolean;
  prompt: string;
  backend: string;
}

const examples = `
Examples:
  $ lowrank merge --model ./model --adapter ./adapter --output ./merged-bf16 --dtype bf16 --prompt "The sum of"
  $ lowrank merge --model ./model --adapter ./qlora --quant-type nf4 --double-quant --output ./merged`;

/**
 * Relative to the largest logit: PEFT's own difference between a merged and an unmerged LoRA, then
 * the error of rounding the weights.
 */
const tolerances = { f32: 1e-4, f16: 1e-2, bf16: 1e-1 };

/** `lowrank merge`. */
export function mergeCommand(): Command {
  const command = addModelOption(new Command("merge"))
    .summary("adds an adapter to the weights and writes a model folder")
    .description(
      "Adds an adapter to the model's own weights and writes a model folder that needs no PEFT. What was merged and what " +
        "was written are compared with model and adapter on a prompt; weights that are not finite are refused.",
    )
    .requiredOption("--adapter <dir>", "folder of the PEFT adapter, or hf://org/name")
    .requiredOption("--output <dir>", "folder to write, new or empty")
    .addOption(
      new Option(
        "--dtype <type>",
        "of the written weights, those of a model in 4 bits too; f32 loses nothing (default: f32)",
      )
        .choices(["f32", "f16", "bf16"])
        .conflicts("requantize"),
    )
    .option("--requantize", "write a model in 4 bits in 4 bits again, and tell how far weights and logits drift")
    .option("--prompt <text>", "what to compare on", "Once upon a time")
    .addOption(backendOption());
  return addQuantizeOptions(command, `merge into the model as quantised by ${quantizedWords()}`)
    .addHelpText("after", examples)
    .action((_, options) => merge(options));
}

async function merge(options: MergeCommandOptions): Promise<void> {
  await checkOutput(options.output, options.model);
  await checkEmpty(options.output);
  const { backend } = options;
  const loaded = await loadWithTokenizer(options.model, { backend, quantize: quantizeToLoad(options) });
  if (loaded.backend.adapter !== undefined) console.log(`backend: ${describeBackend(loaded.backend)}`);
  if (options.requantize && ![...loaded.model.parameters()].some(({ packing }) => packing)) {
    throw new Error(`--requantize: ${options.model} is not in 4 bits; give --quant-type, or leave it out`);
  }
  const ids = loaded.tokenizer.encode(options.prompt);
  const peft = await useAdapter(loaded.model, options.adapter);
  const adapted = await answer(loaded.model, ids, "the model with its adapter");
  const { dtype = "f32", requantize = false } = options;
  const model = await peft.mergeAndUnload({ safeMerge: true, ...(requantize ? { requantize } : { dtype: "f32" }) });
  const merged = await answer(model, ids, "the merged model");
  if (requantize && peft.mergeReport) console.log(weightDrift(peft.mergeReport));
  console.log(comparison("merged", adapted, merged, requantize ? Infinity : tolerances.f32));
  const written = await write({ ...loaded, model }, ids, merged, options);
  if (!requantize) console.log(comparison(`written as ${dtype}`, adapted, written, tolerances[dtype]));
  console.log(`wrote ${options.output}; next:\n  lowrank generate --model ${shellWord(options.output)} --prompt "..."`);
}

/**
 * "requantized: 14 weights drift by 1.1e-3 on average and 2.0e-2 at most
 * (model.layers.0.mlp.up_proj.weight)".
 */
function weightDrift({ drift }: MergeReport): string {
  if (drift.length === 0) return "requantized: the adapter changes no weight in 4 bits";
  const worst = drift.reduce((most, other) => (other.maxAbs > most.maxAbs ? other : most));
  const mean = drift.reduce((sum, { meanAbs }) => sum + meanAbs, 0) / drift.length;
  return `requantized: ${drift.length} weights drift by ${mean.toExponential(1)} on average and ${worst.maxAbs.toExponential(1)} at most (${worst.path})`;
}

/** One line, and a warning where the answers are further apart than rounding explains. */
function comparison(what: string, adapted: Answer, other: Answer, tolerance: number): string {
  const { maxDifference, scale, sameTokens } = compareAnswers(adapted, other);
  const tokens = sameTokens ? "the same" : "NOT the same";
  const line = `${what}: logits differ by ${maxDifference.toExponential(1)} at most (largest ${scale.toFixed(1)}), greedy tokens are ${tokens}`;
  return maxDifference <= tolerance * Math.max(1, scale) ? line : `${line}\nwarning: more than rounding explains`;
}

/** Writes the folder under another name, asks the model in it, and only then gives it its name. */
async function write(
  { model, config, files }: LoadedModel,
  ids: number[],
  merged: Answer,
  options: MergeCommandOptions,
): Promise<Answer> {
  const part = `${options.output.replace(/[/\\]+$/, "")}.${crypto.randomUUID().slice(0, 8)}.part`;
  await mkdir(part, { recursive: true });
  try {
    const dtype = options.requantize ? undefined : (options.dtype ?? "f32");
    await saveModel(model, config, part, { dtype, companions: files });
    const written = await answer((await loadModel(part)).model, ids, "the model that was written");
    if (dtype !== "f16" && dtype !== "bf16" && compareAnswers(merged, written).maxDifference > 0) {
      throw new Error("the written model, read again, answers otherwise than the merged one; nothing was kept");
    }
    await rmdir(options.output).catch(() => undefined);
    await rename(part, options.output);
    return written;
  } catch (error) {
    await rm(part, { recursive: true, force: true });
    throw error;
  }
}
