import { basename, join } from "node:path";
import { type GgufDType, ggufDTypes, type LoadedModel, saveModel } from "@lowrank/models";
import type { MergeReport } from "@lowrank/peft";
import { Command, Option } from "commander";
import { printJson, progressLogger } from "../../cli/json.ts";
import { type Answer, answer, compareAnswers } from "../../cli/loading/answer.ts";
import { backendOption, describeBackend } from "../../cli/loading/backends.ts";
import { checkAdaptersExist } from "../../cli/loading/checkInputs.ts";
import { writeGgufFile } from "../../cli/loading/ggufFile.ts";
import { isGguf, loadWithTokenizer, useAdapter } from "../../cli/loading/loading.ts";
import { addModelOption } from "../../cli/loading/modelOption.ts";
import { addQuantizeOptions, type QuantizeCommandOptions, quantizeToLoad } from "../../cli/options/quantizeOptions.ts";
import { checkOutput, shellWord } from "../../cli/output.ts";
import { type NewOutput, overwriteOption, withNewOutput } from "../../cli/outputs/newOutput.ts";
import { loadModel } from "../../load/loadModel.ts";
import { quantizedWords } from "../../report/methods.ts";
import { headedKindOf, mergeHeaded } from "./mergeHeaded.ts";

interface MergeCommandOptions extends QuantizeCommandOptions {
  model: string;
  adapter: string;
  output: string;
  overwrite?: boolean;
  dtype?: GgufDType;
  requantize?: boolean;
  prompt: string;
  backend: string;
  json?: boolean;
}

const examples = `
Examples:
  $ lowrank merge --model ./model --adapter ./adapter --output ./merged.gguf --dtype q4_k
  $ lowrank merge --model ./model --adapter ./qlora --quant-type nf4 --double-quant --output ./merged`;

/**
 * Largest allowed differences between the logits of the merged model and of the model with its adapter, relative to the
 * largest logit. The value for f32 allows the difference that merging a LoRA makes in PEFT. The values for the other
 * dtypes also allow the error of rounding the weights.
 */
const tolerances: Readonly<Record<GgufDType, number>> = {
  ...{ f32: 1e-4, f16: 1e-2, bf16: 1e-1 },
  ...{ q8_0: 1e-1, q4_1: 1, q4_0: 1, q5_1: 1, q5_0: 1, q6_k: 1, q5_k: 1, q4_k: 1 },
};

/** Returns the `lowrank merge` command. */
export function mergeCommand(): Command {
  const command = addModelOption(new Command("merge"))
    .summary("adds an adapter to the weights and writes a model folder or a GGUF file")
    .description(
      "Adds an adapter to the model's own weights and writes a model folder, or a .gguf file, that needs no PEFT. The merged model, in " +
        "memory and as written, is compared with model and adapter on a prompt. Weights that are not finite are an error.",
    )
    .requiredOption("--adapter <dir>", "folder of the PEFT adapter, or hf://org/name")
    .requiredOption("--output <dir>", "folder to write, new or empty, or a new .gguf file")
    .addOption(
      new Option(
        "--dtype <type>",
        "dtype of the written weights; q8_0, q6_k and other block formats need a .gguf output (default: f32, or f16 for .gguf)",
      )
        .choices(ggufDTypes)
        .conflicts("requantize"),
    )
    .option(
      "--requantize",
      "quantize the merged weights of a 4-bit model to 4 bits again, and print how much weights and logits change",
    )
    .option(
      "--prompt <text>",
      "prompt for the comparison of the merged model with model and adapter",
      "Once upon a time",
    )
    .addOption(overwriteOption())
    .addOption(backendOption())
    .option("--json", "print one JSON object");
  return addQuantizeOptions(command, `merge into the model as quantised by ${quantizedWords()}`)
    .addHelpText("after", examples)
    .action((_, options) => merge(options));
}

async function merge(options: MergeCommandOptions): Promise<void> {
  const dtype = await checkTarget(options);
  await checkAdaptersExist([options.adapter]);
  await withNewOutput(options, (target) => mergeInto(target, dtype, options));
}

/** Merges the adapter and writes the result to a new output. */
async function mergeInto(target: NewOutput, dtype: GgufDType, options: MergeCommandOptions): Promise<void> {
  const { backend, output, requantize = false } = options;
  const say = progressLogger(options.json);
  const headed = await headedKindOf(options.adapter);
  if (headed) {
    if (isGguf(output) || requantize || !isFolderDType(dtype)) {
      const flag = isGguf(output) ? `--output ${output}` : "--requantize";
      throw new Error(
        `${flag} is only for models that generate text, and the model of ${options.adapter} does not; merge into a folder`,
      );
    }
    const { maxDifference, scale } = await mergeHeaded(headed, options, dtype, target);
    say(`merged: values differ by ${maxDifference.toExponential(1)} at most (largest ${scale.toFixed(1)})`);
    say(`wrote ${output}`);
    if (options.json) printJson({ output, dtype, merged: { maxDifference, scale } });
    return;
  }
  const loaded = await loadWithTokenizer(options.model, { backend, quantize: quantizeToLoad(options) });
  if (loaded.backend.adapter !== undefined) say(`backend: ${describeBackend(loaded.backend)}`);
  if (requantize && ![...loaded.model.parameters()].some(({ packing }) => packing)) {
    throw new Error(`--requantize: ${options.model} is not in 4 bits; give --quant-type, or leave --requantize out`);
  }
  const ids = loaded.tokenizer.encode(options.prompt);
  const peft = await useAdapter(loaded.model, options.adapter);
  const adapted = await answer(loaded.model, ids, "the model with its adapter");
  const model = await peft.mergeAndUnload({ safeMerge: true, ...(requantize ? { requantize } : { dtype: "f32" }) });
  const merged = await answer(model, ids, "the merged model");
  const drift = requantize && peft.mergeReport ? peft.mergeReport : null;
  if (drift) say(weightDrift(drift));
  say(comparison("merged", adapted, merged, requantize ? Infinity : tolerances.f32));
  const written = await write({ ...loaded, model }, ids, merged, options, dtype, target);
  if (!requantize) say(comparison(`written as ${dtype}`, adapted, written.answer, tolerances[dtype]));
  for (const note of written.notes) say(`note: ${note}`);
  say(`wrote ${output}; next:\n  lowrank generate --model ${shellWord(output)} --prompt "..."`);
  if (options.json) {
    const compared = { merged: compareAnswers(adapted, merged), written: compareAnswers(adapted, written.answer) };
    printJson({
      output,
      dtype: requantize ? null : dtype,
      ...compared,
      drift: drift?.drift ?? null,
      notes: written.notes,
    });
  }
}

/** Throws for an invalid output. Returns the dtype to write; by default f16 for a GGUF file and f32 for a folder. */
async function checkTarget({ output, model, adapter, dtype, requantize }: MergeCommandOptions): Promise<GgufDType> {
  if (isGguf(output)) {
    if (requantize) throw new Error(`--requantize writes folders; for ${output} give a --dtype such as q8_0`);
    return dtype ?? "f16";
  }
  if (dtype !== undefined && !isFolderDType(dtype)) {
    throw new Error(
      `--dtype ${dtype} is for GGUF files; give an output that ends in .gguf, such as --output ${output}.gguf`,
    );
  }
  await checkOutput(output, model);
  await checkOutput(output, adapter, "adapter");
  return dtype ?? "f32";
}

function isFolderDType(dtype: GgufDType): dtype is "f32" | "f16" | "bf16" {
  return dtype === "f32" || dtype === "f16" || dtype === "bf16";
}

/**
 * Describes the change of requantised weights: "requantized: 14 weights drift by 1.1e-3 on average and 2.0e-2 at most
 * (model.layers.0.mlp.up_proj.weight)".
 */
function weightDrift({ drift }: MergeReport): string {
  if (drift.length === 0) return "requantized: the adapter changes no weight in 4 bits";
  const worst = drift.reduce((most, other) => (other.maxAbs > most.maxAbs ? other : most));
  const mean = drift.reduce((sum, { meanAbs }) => sum + meanAbs, 0) / drift.length;
  return `requantized: ${drift.length} weights drift by ${mean.toExponential(1)} on average and ${worst.maxAbs.toExponential(1)} at most (${worst.path})`;
}

/** Returns a line that compares two answers, with a warning if the logits differ by more than `tolerance`. */
function comparison(what: string, adapted: Answer, other: Answer, tolerance: number): string {
  const { maxDifference, scale, sameTokens } = compareAnswers(adapted, other);
  const tokens = sameTokens ? "the same" : "NOT the same";
  const line = `${what}: logits differ by ${maxDifference.toExponential(1)} at most (largest ${scale.toFixed(1)}), greedy tokens are ${tokens}`;
  return maxDifference <= tolerance * Math.max(1, scale) ? line : `${line}\nwarning: more than rounding explains`;
}

/**
 * Writes the merged model to a temporary folder, loads it from there to check its answer, and then moves the folder to
 * the output.
 */
async function write(
  { model, config, files }: LoadedModel,
  ids: number[],
  merged: Answer,
  { output, requantize, model: source }: MergeCommandOptions,
  dtype: GgufDType,
  { folder, place }: NewOutput,
): Promise<{ answer: Answer; notes: readonly string[] }> {
  const asFile = isGguf(output);
  const folderDType = requantize ? undefined : isFolderDType(dtype) && !asFile ? dtype : "f32";
  await saveModel(model, config, folder, { dtype: folderDType, companions: files });
  const file = join(folder, "merged.gguf");
  const name = basename(source).replace(/\.gguf$/i, "");
  const notes = asFile ? (await writeGgufFile(folder, file, { dtype, name })).notes : [];
  const written = await answer((await loadModel(asFile ? file : folder)).model, ids, "the model that was written");
  if ((dtype === "f32" || requantize) && compareAnswers(merged, written).maxDifference > 0) {
    throw new Error("the written model's logits differ from the merged model's; the output was deleted");
  }
  await place(asFile ? "merged.gguf" : undefined);
  return { answer: written, notes };
}
