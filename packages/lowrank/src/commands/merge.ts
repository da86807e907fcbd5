import { mkdir, rename, rm, rmdir } from "node:fs/promises";
import { type LoadedModel, saveModel } from "@lowrank/models";
import { Command, Option } from "commander";
import { loadModel } from "../loadModel.ts";
import { type Answer, answer, compareAnswers } from "./answer.ts";
import { loadWithTokenizer, useAdapter } from "./loading.ts";
import { checkEmpty, checkOutput, shellWord } from "./output.ts";

interface MergeCommandOptions {
  model: string;
  adapter: string;
  output: string;
  dtype: "f32" | "f16" | "bf16";
  prompt: string;
}

const examples = `
Examples:
  $ lowrank merge --model ./model --adapter ./adapter --output ./merged
  $ lowrank merge --model ./model --adapter ./adapter --output ./merged-bf16 --dtype bf16 --prompt "The sum of"`;

/** Relative to the largest logit: PEFT's own between a merged and an unmerged LoRA, then what rounding the weights adds. */
const tolerances = { f32: 1e-4, f16: 1e-2, bf16: 1e-1 };

/** `lowrank merge`. */
export function mergeCommand(): Command {
  return new Command("merge")
    .summary("adds an adapter to the weights and writes a model folder")
    .description(
      "Adds an adapter to the model's own weights and writes a model folder that needs no PEFT. What was merged and what " +
        "was written are compared with model and adapter on a prompt; weights that are not finite are refused.",
    )
    .requiredOption("--model <path>", "folder of the model, or a .gguf file")
    .requiredOption("--adapter <dir>", "folder of the PEFT adapter")
    .requiredOption("--output <dir>", "folder to write, new or empty")
    .addOption(
      new Option("--dtype <type>", "of the written weights; f32 loses nothing")
        .choices(["f32", "f16", "bf16"])
        .default("f32"),
    )
    .option("--prompt <text>", "what to compare on", "Once upon a time")
    .addHelpText("after", examples)
    .action(merge);
}

async function merge(options: MergeCommandOptions): Promise<void> {
  await checkOutput(options.output, options.model);
  await checkEmpty(options.output);
  const loaded = await loadWithTokenizer(options.model);
  const ids = loaded.tokenizer.encode(options.prompt);
  const peft = await useAdapter(loaded.model, options.adapter);
  const adapted = await answer(loaded.model, ids, "the model with its adapter");
  // A model in 4 bits becomes one in full.
  const model = await peft.mergeAndUnload({ safeMerge: true, dtype: "f32" });
  const merged = await answer(model, ids, "the merged model");
  console.log(comparison("merged", adapted, merged, tolerances.f32));
  const written = await write({ ...loaded, model }, ids, merged, options);
  console.log(comparison(`written as ${options.dtype}`, adapted, written, tolerances[options.dtype]));
  console.log(`wrote ${options.output}; next:\n  lowrank generate --model ${shellWord(options.output)} --prompt "..."`);
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
    await saveModel(model, config, part, { dtype: options.dtype, companions: files });
    const written = await answer((await loadModel(part)).model, ids, `the model written as ${options.dtype}`);
    if (options.dtype === "f32" && compareAnswers(merged, written).maxDifference > 0) {
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
