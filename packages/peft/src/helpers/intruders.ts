import { copyInto, noGrad, OptionError, tensor, truncatedSvd } from "@lowrank/core";
import { checkOptions, type OptionKeys } from "@lowrank/core/internal";
import type { Linear, Parameter } from "@lowrank/nn";
import { TunerLayer } from "../layers/tunerLayer.ts";
import { fullWeight } from "../methods/lora/factors.ts";
import type { LoraConfig } from "../methods/lora/loraConfig.ts";
import type { AdaptableModel } from "../model/adaptedLoss.ts";
import type { PeftModel } from "../peftModel/peftModel.ts";

/** Options of `reduceIntruderDimension`. */
export interface IntruderOptions {
  /** The adapter to read. It stays unchanged. Default: "default". */
  oldAdapterName?: string;
  /** The name of the new adapter. Default: "intruder_reduced". */
  newAdapterName?: string;
  /** Number of the largest singular vectors of each adapted weight that are examined. Default: 10. */
  topK?: number;
  /** A vector is an intruder if its cosine with each singular vector of the base weight is below this. Default: 0.5. */
  thresholdEpsilon?: number;
  /** Share of an intruder that stays in the weight: 1 leaves it as it is, 0 removes it. Default: 0.75. */
  mitigationLambda?: number;
  /** Called after each layer with the number of its intruders. */
  onLayer?: (layer: { readonly path: string; readonly intruders: number }) => unknown;
}

const optionKeys: OptionKeys<IntruderOptions> = {
  ...({ oldAdapterName: true, newAdapterName: true, topK: true } as const),
  ...({ thresholdEpsilon: true, mitigationLambda: true, onLayer: true } as const),
};

/**
 * Adds and activates a LoRA adapter that is another one with smaller intruder dimensions, like PEFT's
 * `reduce_intruder_dimension`. Intruders are large singular vectors of the adapted weight that the base weight does not
 * have. A smaller share of them recovers what the model has forgotten, and costs some quality on the trained task.
 * Shuttleworth et al. 2024, https://arxiv.org/abs/2410.21228
 *
 * The change of each layer with intruders is approximated by the layer's rank, in f64. Other layers and tensors are
 * copied. A layer takes three singular value decompositions: about three seconds for a weight [1536, 576].
 *
 * @throws If the adapter is not LoRA, or has `useDora`, `useBdlora` or `targetParameters`; if a name is taken; if
 * options are out of range.
 *
 * @example
 * await reduceIntruderDimension(peft, { onLayer: ({ path, intruders }) => console.log(path, intruders) });
 * peft.setAdapter("default"); // the original adapter
 */
export async function reduceIntruderDimension<M extends AdaptableModel>(
  peft: PeftModel<M>,
  options: IntruderOptions = {},
): Promise<void> {
  checkOptions("reduceIntruderDimension", options, optionKeys);
  const { oldAdapterName: old = "default", newAdapterName: next = "intruder_reduced", onLayer } = options;
  const { topK = 10, thresholdEpsilon = 0.5, mitigationLambda = 0.75 } = options;
  const refuse = (name: string, value: unknown, wanted: string): never => {
    throw new OptionError("reduceIntruderDimension", name, value, `is ${value}; it must be ${wanted}`);
  };
  if (!(Number.isInteger(topK) && topK >= 1)) refuse("topK", topK, "a positive integer");
  if (!(thresholdEpsilon >= 0)) refuse("thresholdEpsilon", thresholdEpsilon, "at least 0");
  if (!Number.isFinite(mitigationLambda)) refuse("mitigationLambda", mitigationLambda, "a finite number");
  const tuner = peft.base_model;
  const { config, method } = tuner.adapter(old);
  if (method.combines?.kind !== "products") {
    throw new Error(`reduceIntruderDimension: adapter "${old}" is ${method.peftType}; it must be a LORA adapter`);
  }
  for (const key of ["useDora", "useBdlora", "targetParameters", "ensureWeightTying"] as const) {
    const value = (config as LoraConfig)[key];
    if (!value || (Array.isArray(value) && value.length === 0)) continue;
    throw new Error(`reduceIntruderDimension: adapter "${old}" has ${key}; only plain LoRA has a low-rank change`);
  }
  await peft.addAdapter(next, config.with({ initLoraWeights: true }));
  try {
    const from = tuner.trained(old);
    for (const [key, to] of tuner.trained(next)) noGrad(() => copyInto(to, from.get(key)!));
    for (const [path, layer] of tuner.wrappers) {
      if (!(layer instanceof TunerLayer) || !layer.has(next)) continue;
      const intruders = await reduceLayer(layer, old, next, { topK, thresholdEpsilon, mitigationLambda });
      await onLayer?.({ path, intruders });
    }
  } catch (error) {
    peft.deleteAdapter(next);
    throw error;
  }
  peft.setAdapter(next);
}

type Limits = Required<Pick<IntruderOptions, "topK" | "thresholdEpsilon" | "mitigationLambda">>;

/** Writes a layer's new factors, and returns its number of intruders. */
async function reduceLayer(layer: TunerLayer, old: string, next: string, limits: Limits): Promise<number> {
  const { topK, thresholdEpsilon, mitigationLambda } = limits;
  const { layerKind } = layer.base_layer;
  if (layerKind?.startsWith("convolution") || layerKind === "multiheadAttention") {
    const changed = layerKind === "multiheadAttention" ? "attention" : "a convolution";
    throw new Error(
      `reduceIntruderDimension: the adapter changes ${changed}; only linear layers and embeddings can be reduced`,
    );
  }
  const { a, b, scaling } = factorsOf(layer, old);
  const [r, columns] = a.shape;
  const [rows] = b.shape;
  const most = Math.min(rows, columns);
  const { weight } = layer.base_layer as Linear;
  using full = fullWeight(weight, layerKind !== "linear");
  const base = (await full.data()) as Float32Array;
  const update = product((await b.data()) as Float32Array, (await a.data()) as Float32Array, r, scaling);
  const sum = Float64Array.from(update, (x, i) => x + base[i]);
  const known = truncatedSvd(base, rows, columns, most).left;
  const { values, left, right } = truncatedSvd(sum, rows, columns, Math.min(topK, most));
  const intruders = [...values.keys()].filter((i) => {
    const vector = left.subarray(i * rows, (i + 1) * rows);
    let nearest = 0;
    for (let j = 0; j < most; j++) {
      let cosine = 0;
      for (let k = 0; k < rows; k++) cosine += vector[k] * known[j * rows + k];
      nearest = Math.max(nearest, Math.abs(cosine));
    }
    return nearest < thresholdEpsilon;
  });
  if (intruders.length === 0) return 0;
  for (const i of intruders) {
    for (let row = 0; row < rows; row++) {
      const factor = (mitigationLambda - 1) * values[i] * left[i * rows + row];
      for (let k = 0; k < columns; k++) update[row * columns + k] += factor * right[i * columns + k];
    }
  }
  const unscaled = update.map((x) => x / scaling);
  const { values: sizes, left: u, right: v } = truncatedSvd(unscaled, rows, columns, r);
  const roots = sizes.map(Math.sqrt);
  const factors = factorsOf(layer, next);
  write(
    factors.a,
    Float32Array.from(v, (x, i) => x * roots[Math.floor(i / columns)]),
  );
  write(
    factors.b,
    Float32Array.from({ length: rows * r }, (_, i) => roots[i % r] * u[(i % r) * rows + Math.floor(i / r)]),
  );
  return intruders.length;
}

/** Returns the factors A [r, in] and B [out, r] of an adapter on a layer, with their scaling. */
function factorsOf(layer: TunerLayer, name: string): { a: Parameter; b: Parameter; scaling: number } {
  const { parameters, scaling = 1 } = layer.get(name)!;
  const find = (letter: string) => parameters[`lora_${letter}.weight`] ?? parameters[`lora_embedding_${letter}`];
  return { a: find("A"), b: find("B"), scaling };
}

/** Returns scaling B A, [out, in]. */
function product(b: Float32Array, a: Float32Array, r: number, scaling: number): Float64Array {
  const [rows, columns] = [b.length / r, a.length / r];
  const sum = new Float64Array(rows * columns);
  for (let row = 0; row < rows; row++) {
    for (let j = 0; j < r; j++) {
      const factor = scaling * b[row * r + j];
      for (let k = 0; k < columns; k++) sum[row * columns + k] += factor * a[j * columns + k];
    }
  }
  return sum;
}

function write(parameter: Parameter, values: Float32Array): void {
  using value = tensor(values, { shape: parameter.shape, backend: parameter.storage.backend });
  noGrad(() => copyInto(parameter, value));
}
