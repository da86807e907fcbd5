import { stat } from "node:fs/promises";
import { basename, join, resolve } from "node:path";
import { init, isPacked, reference } from "@lowrank/core";
import { openFile, writeFolder } from "@lowrank/files";
import { fromGguf, type GgufDType, ggufDTypes, openGguf } from "@lowrank/models";
import { Command, Option } from "commander";
import { printJson } from "../../cli/json.ts";
import { countTypes, withProgress, writeGgufFile } from "../../cli/loading/ggufFile.ts";
import { isGguf } from "../../cli/loading/loading.ts";
import { addModelOption } from "../../cli/loading/modelOption.ts";
import { checkOutput, shellWord } from "../../cli/output.ts";
import { overwriteOption, withNewOutput } from "../../cli/outputs/newOutput.ts";

interface ConvertCommandOptions {
  model: string;
  output: string;
  overwrite?: boolean;
  dtype?: GgufDType;
  json?: boolean;
}

const help = `
The direction follows from the names: an --output that ends in .gguf is written from a folder, a --model that ends in
.gguf becomes a folder.

Of a GGUF file, --dtype is what matrices are stored in; vectors stay f32, as llama.cpp has them:
  f32    4 bytes a weight, loses nothing
  f16    2 bytes (default); bf16 keeps the range of f32 instead of three more digits
  q8_0   1.06 bytes, blocks of 32 with a scale
  q6_k   0.82 bytes, blocks of 256 with 16 scales
  q5_k   0.69 bytes, blocks of 256 with 8 scales and minima; the output layer is q6_k
  q4_k   0.56 bytes, as q5_k, and better than q4_0 and q4_1; the output layer is q6_k
  q5_1, q5_0, q4_1, q4_0   0.75, 0.69, 0.63, 0.56 bytes, the older blocks of 32; the output layer is q8_0
A matrix whose rows are no whole blocks takes what llama.cpp takes: q8_0, q5_1 or q5_0 in place of q6_k, q5_k or q4_k,
else f16; convert names it.
Of a folder, --dtype is f32 (default; blocks are widened and lose nothing more), f16 or bf16.

Examples:
  $ lowrank convert --model ./model --output ./model.gguf --dtype q4_k
  $ lowrank convert --model ./model.gguf --output ./model`;

/** Returns the `lowrank convert` command. */
export function convertCommand(): Command {
  return addModelOption(new Command("convert"))
    .summary("converts a model folder to a GGUF file for llama.cpp, or back")
    .description(
      "Converts a Hugging Face folder to a GGUF file, which llama.cpp runs, or a GGUF file to a Hugging Face folder, with " +
        "config, tokenizer and chat template. docs/gguf.md lists the architectures.",
    )
    .requiredOption("--output <path>", "a .gguf file to write, or a folder, new or empty")
    .addOption(new Option("--dtype <type>", "dtype of the written weights").choices(ggufDTypes))
    .addOption(overwriteOption())
    .option("--json", "print one JSON object")
    .addHelpText("after", help)
    .action((_, options) => convert(options));
}

async function convert(options: ConvertCommandOptions): Promise<void> {
  const { model, output, json } = options;
  if (isGguf(model) === isGguf(output)) {
    const both = isGguf(model) ? "both are GGUF files" : "neither is a GGUF file";
    throw new Error(
      `--model ${model}, --output ${output}: ${both}; one of them must end in .gguf, the other is a folder`,
    );
  }
  const { dtype, types, bytes, notes } = await (isGguf(model) ? toFolder(options) : toFile(options));
  if (json) {
    printJson({ output, dtype, tensors: types, bytes, notes });
    return;
  }
  for (const note of notes) console.log(`note: ${note}`);
  console.log(`wrote ${output}: ${types}, ${(bytes / 1e6).toFixed(1)} MB`);
  console.log(`next:\n  lowrank generate --model ${shellWord(output)} --prompt "..."`);
}

/** Result of a conversion, for the text and the JSON output. */
interface Converted {
  dtype: GgufDType;
  types: string;
  bytes: number;
  notes: readonly string[];
}

async function toFile(options: ConvertCommandOptions): Promise<Converted> {
  const { model, dtype = "f16" } = options;
  return withNewOutput(options, async ({ folder, place }) => {
    const written = await writeGgufFile(model, join(folder, "model.gguf"), { dtype, name: basename(resolve(model)) });
    await place("model.gguf");
    return { dtype, ...written };
  });
}

async function toFolder(options: ConvertCommandOptions): Promise<Converted> {
  const { model, output, dtype = "f32" } = options;
  if (isPacked(dtype)) {
    throw new Error(`--dtype ${dtype} is for GGUF files; a folder's weights are f32, f16 or bf16`);
  }
  await checkOutput(output, model);
  return withNewOutput(options, async ({ folder, place }) => {
    await init(reference());
    const file = await openGguf(await openFile(model), model);
    const contents = await fromGguf(file, { dtype });
    for (const [name, content] of contents) if (typeof content !== "string") contents.set(name, withProgress(content));
    await writeFolder(folder, contents);
    const types = countTypes(Array.from(file.tensors.values(), ({ info }) => info.type.name));
    const { size } = await stat(join(folder, "model.safetensors"));
    await place();
    return { dtype, types: `${dtype} from ${types}`, bytes: size, notes: [] };
  });
}
