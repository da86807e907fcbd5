import { openSafetensors, type SafetensorsTensor, writeSafetensors } from "@lowrank/core";
import { type ModelFiles, readJson } from "@lowrank/files";
import { type AdapterSource, adapterFileNames, openSource, openWeights } from "../files/adapterFiles.ts";
import { parseConfig } from "../files/configFile.ts";
import { lora } from "../methods/lora/lora.ts";
import { rankAndScaling, unlikeFactors } from "../methods/lora/loraScaling.ts";
import { filePrefix } from "../model/adapter/adapter.ts";
import { type ForeignLayer, peftFiles, transposedStored, valuesOf } from "./peftFiles.ts";

/** Name of the weights file in mlx-lm's adapter folders. The configuration's file name is the same as PEFT's. */
const mlxWeights = "adapters.safetensors";

/** The fields of an mlx-lm adapter_config.json that are used. */
interface MlxConfig {
  fine_tune_type: string;
  lora_parameters: { rank: number; scale: number; dropout: number };
  model: string | null;
}

/** Reads an adapter_config.json of mlx-lm. Returns null for other files. */
function mlxConfig(json: unknown, label: string): MlxConfig | null {
  const fields = (json ?? {}) as Record<string, unknown>;
  if (fields.peft_type !== undefined || typeof fields.lora_parameters !== "object" || !fields.lora_parameters)
    return null;
  const { rank, scale, dropout = 0 } = fields.lora_parameters as Record<string, unknown>;
  const type = fields.fine_tune_type ?? "lora";
  if (type !== "lora" && type !== "dora") {
    throw new Error(
      `${label}: fine_tune_type is ${JSON.stringify(type)}; only "lora" and "dora" can be loaded as adapters`,
    );
  }
  for (const [key, value] of Object.entries({ rank, scale, dropout })) {
    if (!Number.isFinite(value)) {
      throw new Error(`${label}: lora_parameters.${key} is ${JSON.stringify(value)}; it must be a number`);
    }
  }
  const parameters = { rank, scale, dropout } as MlxConfig["lora_parameters"];
  if (!(parameters.dropout >= 0 && parameters.dropout < 1)) {
    throw new Error(
      `${label}: lora_parameters.dropout is ${dropout}; it must be a probability of at least 0 and below 1`,
    );
  }
  return {
    fine_tune_type: type,
    lora_parameters: parameters,
    model: typeof fields.model === "string" ? fields.model : null,
  };
}

/** Converts an mlx-lm adapter to PEFT's files. Returns null if the configuration is not mlx-lm's. */
export async function fromMlxFiles(files: ModelFiles, json: unknown): Promise<Map<string, Uint8Array | string> | null> {
  const config = mlxConfig(json, `${adapterFileNames.config} of ${files.label}`);
  if (!config) return null;
  const weights = await openSafetensors(await files.open(mlxWeights), `${mlxWeights} of ${files.label}`);
  const useDora = config.fine_tune_type === "dora";
  const { rank, scale, dropout } = config.lora_parameters;
  const ends = ["lora_a", "lora_b", ...(useDora ? ["m"] : [])];
  const wrong = weights.names().filter((name) => !ends.some((end) => name.endsWith(`.${end}`)));
  if (wrong.length > 0) {
    throw new Error(
      `${weights.label} has ${wrong.join(", ")}; for fine_tune_type ${config.fine_tune_type} all names must end in ${ends.join(", ")}`,
    );
  }
  const layers: ForeignLayer[] = [];
  for (const name of weights.names().filter((key) => key.endsWith(".lora_a"))) {
    const path = name.slice(0, -".lora_a".length);
    const a = await weights.readStored(name);
    const b = await weights.readStored(`${path}.lora_b`);
    if (a.shape.length !== 2 || a.shape[1] !== rank || b.shape.length !== 2 || b.shape[0] !== rank) {
      throw new Error(
        `${weights.label}: ${path} has lora_a [${a.shape}] and lora_b [${b.shape}]; with rank ${rank} they must be [in,${rank}] and [${rank},out]`,
      );
    }
    const tensors: ForeignLayer["tensors"] = {
      "lora_A.weight": transposedStored(a),
      "lora_B.weight": transposedStored(b),
    };
    if (useDora) tensors.lora_magnitude_vector = await weights.readStored(`${path}.m`);
    layers.push({ path, alpha: scale * rank, tensors });
  }
  if (layers.length === 0) throw new Error(`${weights.label} holds no lora_a`);
  return peftFiles(layers, { loraDropout: dropout, useDora, baseModelNameOrPath: config.model });
}

/** Converts an mlx-lm adapter to the files of a PEFT adapter. `loadAdapter` does this automatically. */
export async function fromMlx(source: AdapterSource): Promise<Map<string, Uint8Array | string>> {
  const files = await openSource(source);
  const converted = await fromMlxFiles(files, await readJson(files, adapterFileNames.config));
  if (converted) return converted;
  throw new Error(`${files.label} is not of mlx-lm: its ${adapterFileNames.config} has no lora_parameters`);
}

/**
 * Converts a LoRA or DoRA adapter of PEFT to mlx-lm's files, for models with the same module paths in mlx-lm (such as
 * Llama). An mlx-lm adapter has the same rank and scale for all layers. Lower ranks are therefore padded with zeros,
 * and a different scale is multiplied into the layer's B. Throws for adapters that mlx-lm cannot represent.
 */
export async function toMlx(source: AdapterSource): Promise<Map<string, Uint8Array | string>> {
  const files = await openSource(source);
  const label = `${adapterFileNames.config} of ${files.label}`;
  const { config } = parseConfig(await readJson(files, adapterFileNames.config), { LORA: lora }, label, () => {});
  if (config.useBdlora) {
    throw new Error(`${label}: use_bdlora makes factors of blocks, which mlx-lm's format cannot hold`);
  }
  const variant = unlikeFactors(config);
  if (variant) throw new Error(`${label}: ${variant} cannot be held by mlx-lm's format`);
  const weights = await openWeights(files);
  const ending = ".lora_A.weight";
  const known = [ending, ".lora_B.weight", ...(config.useDora ? [".lora_magnitude_vector"] : [])];
  const wrong = weights.names().filter((name) => !known.some((end) => name.endsWith(end)));
  if (wrong.length > 0)
    throw new Error(`${weights.label} holds ${wrong.join(", ")}, which mlx-lm's format cannot hold`);
  const paths = weights
    .names()
    .flatMap((name) => (name.endsWith(ending) ? [name.slice(filePrefix.length, -ending.length)] : []));
  if (paths.length === 0) throw new Error(`${weights.label} holds no layer with LoRA`);
  const rank = Math.max(...paths.map((path) => rankAndScaling(config, path).r));
  const { scaling: scale } = rankAndScaling(config, paths[0]);
  const entries: SafetensorsTensor[] = [];
  for (const path of paths) {
    const { scaling } = rankAndScaling(config, path);
    const read = async (key: string) => {
      const name = `${filePrefix}${path}.${key}`;
      return valuesOf(await weights.read(name), `${weights.label}: ${name}`);
    };
    const [a, b] = [await read("lora_A.weight"), await read("lora_B.weight")];
    const [r, inputs] = a.shape;
    const [outputs] = b.shape;
    const lowA = new Float32Array(inputs * rank);
    const lowB = new Float32Array(rank * outputs);
    for (let k = 0; k < r; k++) {
      for (let i = 0; i < inputs; i++) lowA[i * rank + k] = a.values[k * inputs + i];
      for (let o = 0; o < outputs; o++) lowB[k * outputs + o] = (b.values[o * r + k] * scaling) / scale;
    }
    entries.push(f32Entry(`${path}.lora_a`, [inputs, rank], lowA), f32Entry(`${path}.lora_b`, [rank, outputs], lowB));
    if (config.useDora) entries.push(f32Entry(`${path}.m`, [outputs], (await read("lora_magnitude_vector")).values));
  }
  // Module names within a block, for the modules in blocks. `num_layers: -1` means all blocks.
  const keys = [...new Set(paths.map((path) => path.replace(/^.*?\.\d+\./, "")))].sort();
  const json = {
    fine_tune_type: config.useDora ? "dora" : "lora",
    lora_parameters: { dropout: config.loraDropout, keys, rank, scale },
    ...(config.baseModelNameOrPath ? { model: config.baseModelNameOrPath } : {}),
    num_layers: -1,
  };
  return new Map<string, Uint8Array | string>([
    [adapterFileNames.config, `${JSON.stringify(json, null, 4)}\n`],
    [mlxWeights, writeSafetensors(entries)],
  ]);
}

function f32Entry(name: string, shape: readonly number[], values: Float32Array): SafetensorsTensor {
  return { name, dtype: "f32", shape, bytes: new Uint8Array(values.buffer) };
}
