import { noGrad, scope, square, type Tensor } from "@lowrank/core";
import { AdamW, type Module } from "@lowrank/nn";
import { PeftModel } from "@lowrank/peft";
import { ModuleNet, type NetLayer, netInputs } from "@lowrank/peft/testing";
import { compare, type Findings, type Results } from "./compare.ts";
import { Draw } from "./draw.ts";
import { type PackedTensors, unpack } from "./measure.ts";
import type { Python } from "./python.ts";

/** Results of PEFT for an adapter of a network, and its counts of trainable and of all parameters. */
interface Answers {
  tensors: PackedTensors;
  counts: [trainable: number, all: number];
}

/** A network of convolutions or attention, an adapter of PEFT for some of its layers, and the input's shape. */
interface NetCase {
  layers: NetLayer[];
  config: Record<string, unknown>;
  shape: number[];
}

type Adapted = PeftModel<ModuleNet>;

const floats = async (t: Tensor): Promise<Float32Array> => (await t.data()) as Float32Array;

/** Returns outputs, the mean of their squares, and its gradients. */
async function answers(peft: Adapted, x: Tensor): Promise<Results> {
  for (const parameter of peft.trainableParameters()) parameter.grad = null;
  const results: Results = new Map([["logits", await floats(noGrad(() => peft.forward(x)))]]);
  const loss = lossOf(peft, x);
  results.set("loss", await floats(loss));
  for (const [name, { grad }] of peft.namedParameters()) {
    if (grad) results.set(`grad.${name.replace(".default", "")}`, await floats(grad));
  }
  return results;
}

function lossOf(peft: Adapted, x: Tensor): Tensor {
  return scope(() => {
    const value = square(peft.forward(x)).mean();
    value.backward();
    return value.detach();
  });
}

/**
 * Returns the outputs after a merge, or nothing if a layer cannot be merged. Returns null if Lowrank refuses a merge
 * that changes outputs in PEFT.
 */
async function mergedAnswers(layers: NetLayer[], folder: string, x: Tensor): Promise<Results | null> {
  const peft = await load(layers, folder);
  let merged: Module & { forward(x: Tensor): Tensor };
  try {
    merged = await peft.mergeAndUnload();
  } catch (error) {
    const { message } = error as Error;
    if (/windows/.test(message)) return null;
    if (/groups/.test(message)) return new Map();
    throw error;
  }
  return new Map([["merged_logits", await floats(noGrad(() => merged.forward(x)))]]);
}

/** Compares results before and after a merge. PEFT's outputs after the merge are left out if `merged` is null. */
function compareBoth(before: Results, merged: Results | null, answers: Answers): Findings {
  const theirs = unpack(answers.tensors);
  if (merged === null) theirs.delete("merged_logits");
  return compare(new Map([...before, ...(merged ?? [])]), theirs);
}

async function load(layers: NetLayer[], folder: string): Promise<Adapted> {
  const peft = await PeftModel.fromPretrained(new ModuleNet(layers), folder, {
    isTrainable: true,
    onWarning: () => {},
  });
  return peft.eval();
}

/**
 * Checks an adapter of PEFT in Lowrank, and the same adapter in PEFT again, after Lowrank trained it for two steps and
 * saved it: outputs, gradients, outputs after a merge, and counts of parameters.
 */
export async function moduleNet(python: Python, { layers, config, shape }: NetCase, folder: string): Promise<Findings> {
  const [theirFolder, ourFolder] = [`${folder}-theirs`, `${folder}-ours`];
  const x = netInputs(shape);
  const theirs = await python.ask<Answers>("module_theirs", { layers, config, shape, out: theirFolder });
  const peft = await load(layers, theirFolder);
  const found = compareBoth(await answers(peft, x), await mergedAnswers(layers, theirFolder, x), theirs);
  const { trainable, all } = peft.getNbTrainableParameters();
  if (`${[trainable, all]}` !== `${theirs.counts}`) {
    found.problems.push(`counts ${trainable} of ${all}, but ${theirs.counts.join(" of ")} in PEFT`);
  }
  const optimizer = new AdamW(peft.trainableParameters(), { lr: 5e-3, weightDecay: 0 });
  for (let step = 0; step < 2; step++) {
    optimizer.zeroGrad();
    lossOf(peft, x).dispose();
    optimizer.step();
  }
  await peft.savePretrained(ourFolder);
  const [trained, merged] = [await answers(peft, x), await mergedAnswers(layers, ourFolder, x)];
  const again = await python.ask<Answers>("module_ours", { layers, adapter: ourFolder, shape });
  const after = compareBoth(trained, merged, again);
  for (const [name, difference] of after.differences) found.differences.set(`${name}.trained`, difference);
  found.problems.push(...after.problems.map((problem) => `after training: ${problem}`));
  return found;
}

/** Limits of the options of a network's layers. */
interface Limits {
  dilates: boolean;
  /** True if filters are square, with one stride and one padding for both dimensions. */
  square?: boolean;
  /** False if convolutions have one group. Default: true. */
  groups?: boolean;
}

/**
 * Draws a network of two convolutions in two dimensions and two in one dimension. Half of the networks end in a linear
 * layer.
 */
function drawLayers(draw: Draw, limits: Limits): { layers: NetLayer[]; shape: number[] } {
  const { dilates, square = false, groups: hasGroups = true } = limits;
  const groups = hasGroups && draw.chance(0.3) ? 2 : 1;
  const channels = Array.from({ length: 5 }, () => 2 * draw.integer(1, 4));
  const layers: NetLayer[] = [];
  for (const [i, name] of ["a", "b", "c", "d"].entries()) {
    const dims = i < 2 ? 2 : 1;
    const sizes = (low: number, high: number) =>
      dims === 2 && !square && draw.chance(0.5)
        ? [draw.integer(low, high), draw.integer(low, high)]
        : draw.integer(low, high);
    const dilation = dilates && draw.chance(0.3) ? 2 : 1;
    layers.push({
      ...{ kind: `convolution${dims}d`, name, in_channels: channels[i], out_channels: channels[i + 1] },
      ...{ kernel_size: sizes(1, 3), stride: sizes(1, 2), padding: sizes(0, 1), bias: draw.chance(0.7) },
      ...(dilation > 1 ? { dilation } : {}),
      groups: draw.chance(0.5) ? groups : 1,
    } as NetLayer);
  }
  if (draw.chance(0.5)) layers.push({ kind: "linear", name: "e", in_features: channels[4], out_features: 3 });
  return { layers, shape: [2, channels[0], draw.integer(15, 19), draw.integer(15, 19)] };
}

function drawLora(draw: Draw, layers: readonly NetLayer[]): Record<string, unknown> {
  const targets = draw.some(layers.map(({ name }) => name));
  const targeted = layers.filter(({ name }) => targets.includes(name));
  const isGrouped = targeted.some(({ groups = 1 }) => groups > 1);
  const extra = draw.pick([
    ...[{}, { use_rslora: true }, { lora_dropout: 0.3 }, { init_lora_weights: "gaussian" }, { bias: "lora_only" }],
    ...(isGrouped ? [] : [{ use_dora: true }, { use_dora: true, lora_dropout: 0.2 }]),
    ...(targeted.every(({ bias = true }) => bias) ? [{ lora_bias: true }] : []),
  ]);
  const r = isGrouped ? 2 * draw.integer(1, 5) : draw.integer(1, 9);
  const pattern = draw.maybe(0.3, () => ({ rank_pattern: { [targets[0]]: 4 }, alpha_pattern: { [targets[0]]: 3 } }));
  return { peft_type: "LORA", r, lora_alpha: draw.integer(1, 12), target_modules: targets, ...pattern, ...extra };
}

/** Draws a network of attention between linear layers. */
function drawAttentionLayers(draw: Draw): { layers: NetLayer[]; shape: number[] } {
  const [width, heads] = [draw.integer(1, 4), draw.integer(1, 3)];
  const size = width * heads;
  const layers: NetLayer[] = [];
  if (draw.chance(0.5)) layers.push({ kind: "linear", name: "a", in_features: 5, out_features: size });
  const count = draw.integer(1, 2);
  for (let i = 0; i < count; i++) {
    layers.push({
      ...{ kind: "attention", name: `attn${i}`, embed_dim: size, num_heads: heads, bias: draw.chance(0.7) },
      ...{ batch_first: draw.chance(0.5), add_bias_kv: draw.chance(0.3), add_zero_attn: draw.chance(0.3) },
    });
  }
  if (draw.chance(0.7)) layers.push({ kind: "linear", name: "c", in_features: size, out_features: 3 });
  return { layers, shape: [draw.integer(2, 4), draw.integer(2, 5), layers[0].in_features ?? size] };
}

/** Draws LoRA on some of the layers, among them attention. */
function drawAttention(draw: Draw, layers: readonly NetLayer[]): Record<string, unknown> {
  const attention = layers.filter(({ kind }) => kind === "attention").map(({ name }) => name);
  const others = layers.filter(({ kind }) => kind !== "attention").map(({ name }) => name);
  const targets = [...draw.some(attention), ...others.filter(() => draw.chance(0.5))];
  const extra = draw.pick([
    ...[{}, {}, { use_rslora: true }, { lora_dropout: 0.3 }, { init_lora_weights: "gaussian" }],
    ...[{ bias: "lora_only" }, { bias: "all" }, { init_lora_weights: false }],
  ]);
  const pattern = draw.maybe(0.3, () => ({ rank_pattern: { [targets[0]]: 4 }, alpha_pattern: { [targets[0]]: 3 } }));
  const sizes = { r: draw.integer(1, 9), lora_alpha: draw.integer(1, 12) };
  return { peft_type: "LORA", ...sizes, target_modules: targets, ...pattern, ...extra };
}

function drawLycoris(peftType: "LOHA" | "LOKR"): (typeof drawn)[string] {
  return (draw, layers) => ({
    ...{ peft_type: peftType, r: draw.integer(1, 5), alpha: draw.integer(1, 9), init_weights: draw.chance(0.5) },
    ...{ target_modules: draw.some(layers.map(({ name }) => name)), use_effective_conv2d: draw.chance(0.6) },
    ...draw.maybe(0.3, () => ({ rank_pattern: { [layers[0].name]: 2 }, rank_dropout: 0.2, module_dropout: 0.1 })),
    ...(peftType === "LOKR" ? { decompose_both: draw.chance(0.5), decompose_factor: draw.pick([-1, -1, 2, 4]) } : {}),
  });
}

function drawIA3(draw: Draw, layers: readonly NetLayer[]): Record<string, unknown> {
  const targets = someTargets(draw, layers);
  const onInput = draw.chance(0.5) ? draw.some(targets) : [];
  return { peft_type: "IA3", target_modules: targets, feedforward_modules: onInput };
}

function drawHira(draw: Draw, layers: readonly NetLayer[]): Record<string, unknown> {
  const extra = draw.pick([{}, { hira_dropout: 0.2 }, { init_weights: "gaussian" }, { init_weights: false }]);
  const targets = draw.some(layers.map(({ name }) => name));
  return { peft_type: "HIRA", r: draw.integer(1, 9), target_modules: targets, ...extra };
}

function drawHra(draw: Draw, layers: readonly NetLayer[]): Record<string, unknown> {
  // Gram-Schmidt needs at most as many directions as a filter has elements, which are at least 2.
  const size = draw.chance(0.4)
    ? { r: draw.integer(1, 2), apply_GS: true, init_weights: false }
    : { r: draw.integer(1, 9) };
  return { peft_type: "HRA", target_modules: someTargets(draw, layers), ...size };
}

function drawOft(draw: Draw, layers: readonly NetLayer[]): Record<string, unknown> {
  const targets = someTargets(draw, layers);
  // Blocks of one feature train nothing. Every layer has an even count of features.
  const features = layers.filter(({ name }) => targets.includes(name)).map(featuresOf);
  const size = draw.chance(0.5)
    ? { oft_block_size: draw.integer(2, 6) }
    : { oft_block_size: 0, r: draw.integer(1, Math.min(...features) / 2) };
  return {
    ...{ peft_type: "OFT", target_modules: targets, ...size, block_share: draw.chance(0.3) },
    ...(draw.chance(0.3) ? { coft: true, eps: draw.pick([1e-2, 0.5]) } : {}),
    ...{ use_cayley_neumann: draw.chance(0.5), num_cayley_neumann_terms: draw.integer(2, 6) },
  };
}

/** Returns the number of inputs of a linear layer, or of elements of a square filter. */
function featuresOf({ in_features = 0, in_channels, kernel_size }: NetLayer): number {
  return in_channels === undefined ? in_features : in_channels * (kernel_size as number) ** 2;
}

function drawBoft(draw: Draw, layers: readonly NetLayer[]): Record<string, unknown> {
  const n = draw.integer(1, 2);
  const size = draw.chance(0.5) ? { boft_block_size: n } : { boft_block_size: 0, boft_block_num: n };
  const dropout = draw.maybe(0.3, () => ({ boft_dropout: 0.2 }));
  return { peft_type: "BOFT", target_modules: someTargets(draw, layers), ...size, ...dropout };
}

/** Draws some of the layers that are linear or have two dimensions. */
function someTargets(draw: Draw, layers: readonly NetLayer[]): string[] {
  return draw.some(layers.filter(({ kind }) => kind !== "convolution1d").map(({ name }) => name));
}

/** Draws the adapter of a method for some of the layers, by the method's `peft_type`; "ATTENTION" for LoRA on it. */
const drawn: Readonly<Record<string, (draw: Draw, layers: readonly NetLayer[]) => Record<string, unknown>>> = {
  LORA: drawLora,
  ATTENTION: drawAttention,
  LOHA: drawLycoris("LOHA"),
  LOKR: drawLycoris("LOKR"),
  IA3: drawIA3,
  HIRA: drawHira,
  HRA: drawHra,
  OFT: drawOft,
  BOFT: drawBoft,
};

/** Limits of the networks, by the method's `peft_type`. Default: none. */
const limitsOf: Readonly<Record<string, Limits>> = {
  LORA: { dilates: false },
  HIRA: { dilates: true, groups: false },
  HRA: { dilates: false, square: true, groups: false },
  OFT: { dilates: false, square: true },
  BOFT: { dilates: false, square: true, groups: false },
};

/** Methods with random networks of convolutions, and "ATTENTION" for LoRA on networks of attention. */
export const netMethods: readonly string[] = Object.keys(drawn);

/** Draws a network and an adapter of the method. */
export function drawNet(method: string, seed: number): NetCase {
  const draw = new Draw(seed, 77);
  const { layers, shape } =
    method === "ATTENTION" ? drawAttentionLayers(draw) : drawLayers(draw, limitsOf[method] ?? { dilates: true });
  return { layers, config: drawn[method](draw, layers), shape };
}
