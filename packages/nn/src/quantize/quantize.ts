import {
  byteLength,
  dtypes,
  isPacked,
  type OnProgress,
  quantize4bit,
  type Shape,
  scope,
  type Tensor,
  yieldIfDue,
} from "@lowrank/core";
import { checkOptions, enableInt8Activations, nearestName, supportsInt8Activations } from "@lowrank/core/internal";
import { Conv1D } from "../layers/linear/conv1d.ts";
import { Linear } from "../layers/linear/linear.ts";
import { Linear4bit, type Linear4bitOptions, linear4bitKeys } from "../layers/linear/linear4bit.ts";
import type { Module } from "../module/module.ts";
import { Parameter } from "../module/parameter.ts";

/** Options of `quantize`. */
export interface QuantizeOptions extends Linear4bitOptions {
  /**
   * Layers not to quantise, as in `llm_int8_skip_modules` of transformers. A layer is skipped if its path ends with an
   * entry. It is also skipped if an entry, as a regular expression, matches its whole path or the start of its path up
   * to a dot. Default: the output layer. Layers that share their weight with another module are never quantised.
   */
  skipModules?: readonly string[];
}

/** Options of `quantize`, for a model that is already in memory. */
export interface QuantizeInPlaceOptions extends QuantizeOptions {
  /**
   * Called after each layer. `loaded` is the size in bytes, before quantisation, of the weights quantised so far.
   * `total` is the size of all weights to quantise.
   */
  onProgress?: OnProgress;
}

/** A layer that was quantised. */
export interface QuantizedLayer {
  path: string;
  /** The shape of the weight, [out, in]. */
  shape: Shape;
  bytesBefore: number;
  bytesAfter: number;
}

/** The result of `quantize`: lists of the linear layers that were quantised and that were not, and total sizes. */
export interface QuantizationReport {
  quantized: QuantizedLayer[];
  /** Linear layers that were not quantised, and why. */
  skipped: { path: string; reason: string }[];
  /** Total bytes of the quantised layers' weights before quantisation. `bytesAfter` is the total after it. */
  bytesBefore: number;
  bytesAfter: number;
}

/** Facts about a linear layer that `layersToSkip` needs. The layer itself need not be loaded yet. */
export interface LinearPlace {
  path: string;
  /** Path of another module that uses the same weight, if any. */
  tiedTo?: string;
  /** True if this is the model's output layer. */
  isOutput: boolean;
}

/**
 * Returns the layers that must stay unquantised, as path and reason, by transformers' rules: those in `skipModules`
 * (default: the output layer), and layers that share a weight. Throws if an entry of `skipModules` matches no layer.
 */
export function layersToSkip(places: readonly LinearPlace[], skipModules?: readonly string[]): Map<string, string> {
  const skipped = new Map<string, string>();
  const paths = places.map(({ path }) => path);
  for (const [path, entry] of skippedBy(skipModules ?? [], paths)) skipped.set(path, `skipModules says "${entry}"`);
  for (const { path, tiedTo, isOutput } of places) {
    if (tiedTo !== undefined) skipped.set(path, `it shares its weight with ${tiedTo}`);
    else if (isOutput && skipModules === undefined) skipped.set(path, "it is the output layer");
  }
  return skipped;
}

type AnyLinear = Linear | Conv1D;

const isLinear = (entry: [string, Module]): entry is [string, AnyLinear] =>
  entry[1] instanceof Linear || entry[1] instanceof Conv1D;

/** Returns all linear layers of a model with their paths, and the reasons why some must stay unquantised. */
function choose(model: Module, skipModules?: readonly string[]) {
  const layers = [...model.namedModules()].filter(isLinear);
  const owners = new Map<Parameter, string[]>();
  let last = "";
  for (const [name, parameter] of model.namedParameters({ duplicates: true })) {
    last = name.slice(0, Math.max(name.lastIndexOf("."), 0));
    owners.set(parameter, [...(owners.get(parameter) ?? []), last]);
  }
  const places = layers.map(([path, { weight }]): LinearPlace => {
    const tiedTo = owners.get(weight)?.find((owner) => owner !== path);
    return { path, tiedTo, isOutput: path === last || /(^|\.)lm_head$/.test(path) };
  });
  return { layers, skipped: layersToSkip(places, skipModules) };
}

/** Throws if a layer cannot be quantised. It runs before any layer is changed. */
function check(path: string, { weight }: AnyLinear): void {
  if (isPacked(weight.dtype)) {
    throw new Error(`quantize: ${path} is quantised already (${weight.dtype}); name it in skipModules`);
  }
  if (!["f32", "f16", "bf16"].includes(weight.dtype)) {
    throw new Error(`quantize: the weight of ${path} is ${weight.dtype}; only f32, f16 and bf16 are quantised`);
  }
  if (weight.requiresGrad && weight.grad) {
    throw new Error(`quantize: ${path} is being trained (its weight has a gradient); quantise before training`);
  }
}

function quantizedLayer(path: string, layer: AnyLinear, options: Linear4bitOptions): Linear4bit {
  try {
    return quantizeLinear(layer, options);
  } catch (cause) {
    throw new Error(`${path}: ${(cause as Error).message}`, { cause });
  }
}

/**
 * Quantises the linear layers of a model in place: replaces each Linear and Conv1D by a frozen Linear4bit, and frees
 * the original weights one by one. Embeddings, norms and biases are not quantised. `leave` is called with each layer's
 * path; if it returns a reason, the layer is not quantised. Yields to the event loop between layers; the model can run
 * at these times. For a model with adapters, call its `quantizeBase` instead. Throws for entries of `skipModules` that
 * match nothing and for layers that are already quantised; then nothing is changed.
 */
export async function quantize(
  model: Module,
  given: QuantizeInPlaceOptions = {},
  leave: (path: string) => string | null = () => null,
): Promise<QuantizationReport> {
  checkOptions("quantize", given, { ...linear4bitKeys, skipModules: true, onProgress: true });
  const { skipModules, onProgress, ...options } = given;
  const { layers, skipped } = choose(model, skipModules);
  for (const [path] of layers) {
    const reason = leave(path);
    if (reason !== null) skipped.set(path, reason);
  }
  const chosen = layers.filter(([path]) => !skipped.has(path));
  for (const [path, layer] of chosen) check(path, layer);
  const report: QuantizationReport = {
    quantized: [],
    skipped: [...skipped].map(([path, reason]) => ({ path, reason })),
    bytesBefore: 0,
    bytesAfter: 0,
  };
  const total = chosen.reduce((sum, [, { weight }]) => sum + byteLength(weight), 0);
  for (const [path, layer] of chosen) {
    const replacement = quantizedLayer(path, layer, options);
    model.setSubmodule(path, replacement);
    const [bytesBefore, bytesAfter] = [byteLength(layer.weight), byteLength(replacement.weight)];
    layer.weight.dispose();
    report.quantized.push({ path, shape: replacement.weight.shape, bytesBefore, bytesAfter });
    report.bytesBefore += bytesBefore;
    report.bytesAfter += bytesAfter;
    onProgress?.({ loaded: report.bytesBefore, total, name: path });
    await yieldIfDue();
  }
  return report;
}

/**
 * Replaces every Linear4bit of a model, in place, by a Linear with the dequantised weight. Yields to the event loop
 * between layers.
 */
export async function dequantize(model: Module, options: { dtype?: "f32" | "f16" | "bf16" } = {}): Promise<void> {
  checkOptions("dequantize", options, { dtype: true });
  const { dtype = "f32" } = options;
  for (const [path, layer] of [...model.namedModules()]) {
    if (!(layer instanceof Linear4bit)) continue;
    model.setSubmodule(path, layer.dequantize(dtype));
    layer.weight.dispose();
    await yieldIfDue();
  }
}

/**
 * Returns a function that returns true if the entry `pattern` of `skipModules` matches a path, by transformers' rule.
 * The entry matches if the path ends with it. It also matches as a regular expression for the whole path, or for the
 * path's start up to a dot.
 */
function rule(pattern: string): (path: string) => boolean {
  if (pattern === "") throw new Error('skipModules: "" matches every path; leave it out, or name modules');
  const start = expression(pattern);
  return (path) => path.endsWith(pattern) || start.test(path);
}

function expression(pattern: string): RegExp {
  try {
    return new RegExp(String.raw`^(?:${pattern})(?:(?<=\.)|(?=\.|$))`);
  } catch (cause) {
    throw new Error(`skipModules: "${pattern}" is no regular expression, nor the name of a module`, { cause });
  }
}

/**
 * Returns each path that an entry of `skipModules` matches, mapped to that entry. Throws for an entry that matches no
 * path.
 */
function skippedBy(skipModules: readonly string[], paths: readonly string[]): Map<string, string> {
  const skipped = new Map<string, string>();
  for (const pattern of skipModules) {
    const found = paths.filter(rule(pattern));
    if (found.length === 0) throw new Error(unmatched(pattern, paths));
    for (const path of found) skipped.set(path, pattern);
  }
  return skipped;
}

function unmatched(pattern: string, paths: readonly string[]): string {
  const names = new Set(paths.map((path) => path.slice(path.lastIndexOf(".") + 1)));
  const near = nearestName(pattern, [...names, ...paths]);
  const advice = near === null ? `there are ${[...names].join(", ")}` : `did you mean ${near}?`;
  return `skipModules: no linear layer's path starts or ends with "${pattern}"; ${advice}`;
}

/**
 * Sets `activations` to "int8" in all linear layers whose weight supports that: GGUF formats with integer codes, nf4
 * and fp4. Their inputs are then rounded to 8-bit integers. Returns the number of these layers; throws if the model has
 * none.
 */
export function useInt8Activations(model: Module): number {
  const layers = [...model.namedModules()].flatMap(([, module]) => (module instanceof Linear ? [module] : []));
  const packed = layers.filter(({ weight }) => supportsInt8Activations(weight));
  if (packed.length === 0) {
    const coded = dtypes.filter(isPacked);
    throw new Error(
      `useInt8Activations: no linear layer has a packed weight (${coded.join(" or ")}) that supports int8 activations`,
    );
  }
  enableInt8Activations();
  for (const layer of packed) layer.activations = "int8";
  return packed.length;
}

/**
 * Returns a Linear4bit with this layer's weight quantised to 4 bits. Both layers share the bias. Throws unless the
 * weight is f32, f16 or bf16.
 */
export function quantizeLinear(layer: Linear | Conv1D, options: Linear4bitOptions = {}): Linear4bit {
  const { weight, bias } = layer;
  using packed = packWeight(weight, options, layer instanceof Conv1D);
  const quantized = new Linear4bit(new Parameter(packed, { requiresGrad: false }), bias);
  quantized.weight.precision = weight.precision;
  quantized.training = layer.training;
  return quantized;
}

/**
 * Quantises a weight to 4 bits, [out, in]. `transposed` means that `weight` is stored as [in, out]. The caller must
 * free the result.
 */
export function packWeight(weight: Tensor, options: Linear4bitOptions, transposed: boolean): Tensor {
  return scope(() => {
    const source = weight.detach();
    return quantize4bit(transposed ? source.transpose(0, 1) : source, options);
  });
}
