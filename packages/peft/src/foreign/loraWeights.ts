import {
  type ByteSource,
  byteSource,
  openSafetensors,
  type SafetensorsFile,
  sizeOf,
  writeSafetensors,
} from "@lowrank/core";
import { checkOptions } from "@lowrank/core/internal";
import type { Module } from "@lowrank/nn";
import { readTorch } from "../torchFiles/readTorch.ts";
import { type ForeignLayer, peftFiles, valuesOf } from "./peftFiles.ts";

/** Options of `fromLoraWeights`. */
export interface LoraWeightsOptions {
  /** Alpha in the scaling alpha / r, for files that do not contain it. */
  loraAlpha?: number;
  /** The file's name in messages. Default: "the LoRA weights". */
  label?: string;
}

/** Endings of the keys of A and B: first in kohya's sd-scripts, then in loralib. */
const endings = [
  { a: ".lora_down.weight", b: ".lora_up.weight" },
  { a: ".lora_A", b: ".lora_B" },
] as const;

/**
 * Converts LoRA weights without a configuration to the files of a PEFT adapter for `model`. Reads two formats:
 * safetensors of kohya's sd-scripts (lora_down, lora_up, alpha; paths with underscores), and loralib's
 * `lora_state_dict` saved by `torch.save`. Ranks are derived from the shapes. Throws if keys match no layer of the
 * model (the error lists them), and if alpha is unknown.
 */
export async function fromLoraWeights(
  weights: ArrayBuffer | ArrayBufferView | Blob | ByteSource,
  model: Module,
  options: LoraWeightsOptions = {},
): Promise<Map<string, Uint8Array | string>> {
  checkOptions("fromLoraWeights", options, { loraAlpha: true, label: true });
  const { loraAlpha, label = "the LoRA weights" } = options;
  const source = byteSource(weights);
  const file = await open(source, label);
  const used = new Set<string>();
  const layers: ForeignLayer[] = [];
  for (const name of file.names()) {
    const ending = endings.find(({ a }) => name.endsWith(a));
    if (!ending) continue;
    const module = name.slice(0, -ending.a.length);
    const other = module + ending.b;
    if (!file.has(other)) throw new Error(`${label} has ${name} without ${other}`);
    const [a, b] = [await file.readStored(name), await file.readStored(other)];
    const { path, inputs, outputs } = placeOf(module, model, label);
    const [r] = a.shape;
    if (`${a.shape}` !== `${[r, inputs]}` || `${b.shape}` !== `${[outputs, r]}`) {
      throw new Error(
        `${label}: ${module} has A [${a.shape}] and B [${b.shape}]; on ${path} they must be [r,${inputs}] and [${outputs},r] (loralib's MergedLinear and convolutions are not supported)`,
      );
    }
    const alphaKey = `${module}.alpha`;
    const alpha = file.has(alphaKey) ? await scalar(file, alphaKey) : loraAlpha;
    if (alpha === undefined) throw new Error(`${label} has no ${alphaKey}; give loraAlpha: the scaling is alpha / r`);
    for (const key of [name, other, alphaKey]) used.add(key);
    layers.push({ path, alpha, tensors: { "lora_A.weight": a, "lora_B.weight": b } });
  }
  const rest = file.names().filter((name) => !used.has(name));
  if (rest.length > 0) throw new Error(`${label}: ${rest.join(", ")} does not belong to the LoRA of any layer`);
  if (layers.length === 0) throw new Error(`${label} holds no LoRA`);
  return peftFiles(layers);
}

/** Opens a safetensors file or a `torch.save` archive, which begins with "PK". */
async function open(source: ByteSource, label: string): Promise<SafetensorsFile> {
  const [p, k] = await source.read(0, 2);
  if (p !== 0x50 || k !== 0x4b) return openSafetensors(source, label);
  return openSafetensors(byteSource(writeSafetensors(await readTorch(source, label))), label);
}

async function scalar(file: SafetensorsFile, name: string): Promise<number> {
  const { values, shape } = valuesOf(await file.read(name), `${file.label}: ${name}`);
  if (sizeOf(shape) !== 1) throw new Error(`${file.label}: ${name} is [${shape}]; it must be one number`);
  return values[0];
}

/**
 * Finds the layer of the model to which a LoRA key belongs. The key contains the layer's path as it is, or in kohya's
 * spelling: "lora_", an optional prefix for a part of the model such as "te_", and the path with underscores instead of
 * dots.
 */
function placeOf(module: string, model: Module, label: string): { path: string; inputs: number; outputs: number } {
  const plain = module.replace(/^base_model\.model\./, "");
  const flat = /^lora_(?:[a-z]+\d?_)?(.*)$/.exec(plain);
  const fits: [string, Module][] = [];
  for (const [path, candidate] of model.namedModules()) {
    const kind = candidate.layerKind;
    if (kind !== "linear" && kind !== "conv1d") continue;
    const underscored = path.replaceAll(".", "_");
    if (path === plain || (flat && (underscored === flat[1] || plain === `lora_${underscored}`)))
      fits.push([path, candidate]);
  }
  if (fits.length !== 1) {
    const found = fits.length === 0 ? "no linear layer" : fits.map(([path]) => path).join(" and ");
    throw new Error(`${label}: ${module} matches ${found} of this model`);
  }
  const [[path, layer]] = fits;
  const { inFeatures, outFeatures } = layer as Module & { inFeatures: number; outFeatures: number };
  return { path, inputs: inFeatures, outputs: outFeatures };
}
