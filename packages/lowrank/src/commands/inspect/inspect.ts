import type { CausalLM } from "@lowrank/models";
import {
  adapterUpdates,
  approximateUpdate,
  type LowRankUpdate,
  loraOfUpdates,
  modelUpdates,
  updateValues,
} from "@lowrank/peft";
import { Command, Option } from "commander";
import { integer } from "../../cli/argument.ts";
import { printJson } from "../../cli/json.ts";
import { startBackend } from "../../cli/loading/backends.ts";
import { checkAdaptersExist } from "../../cli/loading/checkInputs.ts";
import { useAdapter, warn } from "../../cli/loading/loading.ts";
import { loadingProgress } from "../../cli/loading/loadingProgress.ts";
import { addModelOption } from "../../cli/loading/modelOption.ts";
import { checkOutput, shellWord } from "../../cli/output.ts";
import { type NewOutput, overwriteOption, withNewOutput } from "../../cli/outputs/newOutput.ts";
import { writeText } from "../../cli/outputs/writeText.ts";
import { loadModel } from "../../load/loadModel.ts";
import { type InspectedLayer, inspectedLayer, inspection } from "../../report/inspection.ts";
import { shortName } from "../../report/shortName.ts";

interface InspectCommandOptions {
  model: string;
  adapter?: string;
  tuned?: string;
  page?: string;
  compress?: number;
  output?: string;
  overwrite?: boolean;
  json?: boolean;
}

const help = `
Of each weight matrix that an adapter, or a training of the whole model, has changed:
  size        the Frobenius norm of the change, as a share of that of the weight
  rank        singular values above the rounding of f32
  effective   exp of the entropy of the singular values as shares of their sum (Roy and Vetterli 2007)
  stable      squared Frobenius norm over the squared largest singular value (Rudelson and Vershynin 2007)
  for 90 %    the least rank that holds 90 % of the energy: of the sum of the squared singular values

Examples:
  $ lowrank inspect --model ./model --adapter ./adapter --page spectrum.html
  $ lowrank inspect --model ./model --tuned ./fully-tuned --json
  $ lowrank inspect --model ./model --adapter ./adapter --compress 4 --output ./adapter-r4`;

/** Returns the `lowrank inspect` command. */
export function inspectCommand(): Command {
  return addModelOption(new Command("inspect"))
    .summary("measures the rank of a weight change, and compresses adapters")
    .description(
      "Measures the rank of what an adapter changes, or of the difference of two models: singular values, effective " +
        "rank and energy by rank, layer by layer. --compress writes the nearest adapter of a lower rank.",
    )
    .addOption(new Option("--adapter <dir>", "folder of the PEFT adapter, or hf://org/name").conflicts("tuned"))
    .option(
      "--tuned <path>",
      "instead of --adapter: a model of the same shapes, such as --model after full fine-tuning",
    )
    .option("--page <file>", "HTML file to write with plots of the singular values")
    .option(
      "--compress <r>",
      "write the LoRA adapter of this rank that is nearest to the change to --output",
      integer(1),
    )
    .option("--output <dir>", "folder to write the adapter of --compress to; it must be new or empty")
    .addOption(overwriteOption())
    .option("--json", "print one JSON object, with all singular values")
    .addHelpText("after", help)
    .action((_, options) => inspect(options));
}

async function inspect(options: InspectCommandOptions): Promise<void> {
  const { model: source, adapter, tuned, compress, output } = options;
  if (adapter === undefined && tuned === undefined) {
    throw new Error("nothing to inspect: give --adapter, or a fine-tuned model as --tuned");
  }
  if ((compress === undefined) !== (output === undefined)) {
    throw new Error("--compress, the rank of the adapter to write, and --output, its folder, must be given together");
  }
  if (adapter !== undefined) await checkAdaptersExist([adapter]);
  if (output === undefined) return inspectInto(null, options);
  await checkOutput(output, source);
  if (adapter !== undefined) await checkOutput(output, adapter, "adapter");
  await withNewOutput({ ...options, output }, (target) => inspectInto(target, options));
}

/**
 * Measures the change of weights. Unless `target` is null, also compresses the change to an adapter of lower rank and
 * writes it to `target`.
 */
async function inspectInto(target: NewOutput | null, options: InspectCommandOptions): Promise<void> {
  const { model: source, adapter, tuned, compress, output } = options;
  await startBackend();
  const model = await loaded(source);
  const leftOut: string[] = [];
  const leaveOut = (path: string) => void leftOut.push(path);
  const peft = adapter === undefined ? null : await useAdapter(model, adapter);
  const updates = peft
    ? adapterUpdates(peft, "default", leaveOut)
    : modelUpdates(model, await loaded(tuned!), leaveOut);
  const layers: InspectedLayer[] = [];
  const products = new Map<string, LowRankUpdate>();
  for await (const update of updates) {
    const product = compress === undefined ? null : approximateUpdate(update, compress);
    const layer = inspectedLayer(update, updateValues(update), product?.relativeError ?? null);
    layers.push(layer);
    if (product && layer.spectrum.frobeniusNorm > 0) products.set(update.path, product);
    if (process.stderr.isTTY) process.stderr.write(`\r\x1b[K${layers.length} layers, ${update.path}`);
  }
  if (process.stderr.isTTY) process.stderr.write("\r\x1b[K");
  const what = adapter ?? tuned!;
  if (layers.length === 0) {
    const method = peft ? ` (${[...peft.peftConfig.values()][0].peftType})` : "";
    throw new Error(`${what}${method} changes only ${leftOut.length} vectors and no weight matrix: it has no spectrum`);
  }
  if (leftOut.length > 0) {
    const names = `${leftOut.slice(0, 3).join(", ")}${leftOut.length > 3 ? ", ..." : ""}`;
    warn({ code: "left-out", message: `${leftOut.length} vectors change too, which have no rank: ${names}` });
  }
  const found = inspection(
    { model: shortName(source), change: shortName(what), compressedTo: compress ?? null, leftOut },
    layers,
  );
  if (options.page !== undefined) {
    await writeText(options.page, found.html);
    console.error(`wrote ${options.page}`);
  }
  if (compress !== undefined && target) await write(peft?.unload() ?? model, products, compress, target);
  if (options.json) printJson(found.json);
  else console.log(found.text);
  if (output !== undefined && !options.json) {
    console.log(
      `wrote ${output}; next:\n  lowrank generate --model ${shellWord(source)} --adapter ${shellWord(output)} --prompt "..."`,
    );
  }
}

async function loaded(path: string): Promise<CausalLM> {
  const { onProgress, end } = loadingProgress(process.stderr);
  return (await loadModel(path, { onProgress }).finally(end)).model;
}

/** Writes a LoRA adapter of rank `r` that approximates the changes of the weights. */
async function write(
  model: CausalLM,
  products: ReadonlyMap<string, LowRankUpdate>,
  r: number,
  { folder, place }: NewOutput,
): Promise<void> {
  if (products.size === 0)
    throw new Error("--compress: the weights do not differ from the base model's, so there is no adapter to write");
  await (await loraOfUpdates(model, products, r)).savePretrained(folder);
  await place();
}
