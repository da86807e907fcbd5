import type { PeftMethod } from "@lowrank/peft";
import { methods, type PeftType } from "./adapterCase.ts";
import { trainedTokens } from "./batch.ts";
import type { Draw } from "./draw.ts";
import type { RandomBase } from "./randomBases.ts";

/** The targets of an adapter: the options that select them, and the layers that they may select. */
export interface Targets {
  options: {
    targetModules?: string[] | string;
    layersToTransform?: number[] | number;
    layersPattern?: string[] | string;
    excludeModules?: string[];
    modulesToSave?: string[];
  };
  /** Paths within a block of the linear layers that may be selected. */
  paths: string[];
}

/** The targets that a method supports. */
interface TargetChoice {
  /** The linear layers of a block to choose from. Default: all. */
  among?: readonly string[];
  /** The method's default targets; null if there are none. Default: the attention projections. */
  defaults?: readonly string[] | null;
  /** True if embeddings can be adapted. Default: false. */
  embedding?: boolean;
  /** True if PEFT's configuration has fields for numbered layers. Default: true. */
  layers?: boolean;
  /** True if PEFT's configuration has a field for excluded modules. Default: true. */
  exclude?: boolean;
}

/** Returns a layer's path in its block, or only its last name if that is unique. */
function targetName(draw: Draw, base: RandomBase, path: string): string {
  const name = path.slice(path.lastIndexOf(".") + 1);
  const alike = Object.keys(base.linears).filter((other) => other.endsWith(`.${name}`));
  return alike.length > 1 || draw.chance(0.2) ? path : name;
}

/** PEFT's warning about an adapted embedding whose table the output layer shares. */
export const tiedWarning: RegExp = /^Model has `tie_word_embeddings=True` and a tied layer is part of the adapter/;

/** PEFT's warnings about `ensure_weight_tying` for an adapter or a model without tied layers. */
export const untiedWarnings: readonly RegExp[] = [
  /^You have requested `ensure_weight_tying`, but no tied modules (are added|were found)/,
  /^ensure_weight_tying=True but the model does not have tied weights/,
];

/** Names by which PEFT recognises an embedding or an output layer that it can tie. */
const tiedNames = ["embed_tokens", "lm_head"];

/**
 * Draws `ensureWeightTying`, with modules to save or, if the method adapts embeddings, with targets that are tied. The
 * model may lack a tied output layer, and PEFT may not recognise the drawn names.
 */
export function drawTying(
  before: Draw,
  base: RandomBase,
  { targetModules, modulesToSave = [], layersToTransform, trainableTokenIndices }: TyingOptions,
  { embedding }: { embedding: boolean },
): { ensureWeightTying?: true } & Pick<TyingOptions, "targetModules" | "modulesToSave"> {
  const draw = before.fork("tying");
  if (!draw.chance(base.tied ? 0.7 : 0.1)) return {};
  const ensureWeightTying = true;
  const head = base.renamedHead ? "embed_out" : "lm_head";
  const taken = [targetModules ?? [], modulesToSave].flat();
  const free = base.tied && trainableTokenIndices === undefined && !taken.includes(base.embedding);
  if (!free) return { ensureWeightTying };
  const names = draw.pick([[head], [base.embedding], [head, base.embedding]]);
  const known = names.some((name) => tiedNames.includes(name));
  if (!embedding || draw.chance(0.25)) {
    // Without a tie, PEFT warns, and a module to save is no longer tied.
    return known ? { ensureWeightTying, modulesToSave: [...modulesToSave, ...names] } : { ensureWeightTying };
  }
  // Files contain the table of a target with this name in the base model's dtype, which in Python is float32.
  const wanted = base.dtype === "float32" ? names : names.filter((name) => name !== "embed_tokens");
  if (wanted.length === 0 || targetModules === undefined) return { ensureWeightTying };
  if (typeof targetModules !== "string") {
    return { ensureWeightTying, targetModules: [...targetModules, ...wanted] };
  }
  const expressible = targetModules !== "all-linear" && base.dtype === "float32" && layersToTransform === undefined;
  return expressible ? { ensureWeightTying, targetModules: `(?:${targetModules}|${head})` } : { ensureWeightTying };
}

/** The drawn options that decide what can be tied. */
interface TyingOptions {
  targetModules?: string[] | string;
  modulesToSave?: string[];
  layersToTransform?: number[] | number;
  trainableTokenIndices?: unknown;
}

/** Returns the linear layers of a block that PEFT's method adapts by default; null if there is no default. */
export function defaultPaths({ config, linears }: RandomBase, peftType: PeftType): string[] | null {
  const { defaultTargets } = methods[peftType] as Partial<PeftMethod>;
  const names = defaultTargets?.[config.model_type];
  if (!names) return null;
  return Object.keys(linears).filter((path) => names.some((name) => path === name || path.endsWith(`.${name}`)));
}

/**
 * Draws targets in all of PEFT's forms: by default, "all-linear", as an expression, as a list; in all blocks or in
 * some.
 */
export function drawTargets(
  draw: Draw,
  base: RandomBase,
  { among, defaults = base.attention, embedding = false, layers = true, exclude = true }: TargetChoice = {},
): Targets {
  const linear = among ?? Object.keys(base.linears);
  const saved = draw.maybe(0.15, () => ({ modulesToSave: [draw.pick(savable(base))] }));
  const kind = draw.integer(0, 9);
  if (kind === 0 && defaults?.every((path) => linear.includes(path))) return { options: saved, paths: [...defaults] };
  if (kind < 3 && !among && !base.otherLinears)
    return { options: { targetModules: "all-linear", ...saved }, paths: [...linear] };
  const paths = draw.some(linear);
  if (kind === 3) {
    const any = paths.map((path) => path.replace(".", String.raw`\.`)).join("|");
    return { options: { targetModules: String.raw`.*\.(${any})`, ...saved }, paths };
  }
  const names = paths.map((path) => targetName(draw, base, path));
  // Files contain the table of a target with this name in the base model's dtype, which in Python is float32.
  const same = base.dtype === "float32" || base.embedding !== "embed_tokens";
  const whole = saved.modulesToSave?.includes(base.embedding);
  if (embedding && same && !whole && draw.chance(0.25)) names.push(base.embedding);
  const chosen = layers && !base.unlikeBlocks && draw.chance(0.3) ? numberedLayers(draw, base) : {};
  const excluded =
    exclude && paths.length > 1 && draw.chance(0.2)
      ? {
          excludeModules: [base.unlikeBlocks ? paths[0] : draw.pick([paths[0], `${base.layersPattern}.0.${paths[0]}`])],
        }
      : {};
  return { options: { targetModules: names, ...chosen, ...excluded, ...saved }, paths };
}

/** Returns the modules that can be trained whole next to an adapter. */
function savable(base: RandomBase): string[] {
  const ends = base.tied ? [] : [base.embedding, ...headOf(base)];
  return [base.norms[0], base.norms.at(-1)!, ...ends];
}

/** Returns the output layer of a language model if it is not tied, otherwise nothing. */
export function headOf({ task, tied, renamedHead }: RandomBase): string[] {
  return task === "CAUSAL_LM" && !tied && !renamedHead ? ["lm_head"] : [];
}

function numberedLayers(draw: Draw, { layers, layersPattern }: RandomBase): Targets["options"] {
  const numbers = Array.from({ length: layers }, (_, i) => i);
  return {
    layersToTransform: draw.pick([draw.some(numbers), draw.pick(numbers)]),
    ...draw.maybe(0.4, () => ({ layersPattern: draw.pick([layersPattern, [layersPattern]]) })),
  };
}

/** Draws tokens to train by index, if the embedding is not adapted in another way. */
export function drawTokens(
  draw: Draw,
  base: RandomBase,
  { options: { targetModules, modulesToSave } }: Targets,
): { trainableTokenIndices?: number[] | Record<string, number[]> } {
  if (targetModules?.includes(base.embedding) || modulesToSave?.includes(base.embedding)) return {};
  return draw.maybe(0.15, () => ({
    trainableTokenIndices: draw.pick([[...trainedTokens], { [base.embedding]: [2, 5] }]),
  }));
}

/** Model types whose layers PEFT does not find, and those whose layers depend on their number. */
const notReplicated = ["gpt2", "gpt_neox", "roberta", "distilbert", "deberta-v2", "gemma4_text", "qwen2_moe"];

/** Draws two ranges that overlap, for models whose layers PEFT can replicate. Every layer stays. */
export function drawReplication(
  draw: Draw,
  { config: { model_type: type }, layers }: RandomBase,
): { layerReplication?: [number, number][] } {
  // Without the norm that ModernBERT's first layer lacks, it can be nowhere else.
  const least = type === "modernbert" ? 1 : 0;
  if (layers <= least || notReplicated.includes(type)) return {};
  const end = draw.integer(least + 1, layers);
  return {
    layerReplication: [
      [0, end],
      [draw.integer(least, end - 1), layers],
    ],
  };
}

/** Draws a value for one of the targets, in the form of `rankPattern` and similar options. */
export function drawPattern(
  draw: Draw,
  base: RandomBase,
  { options, paths }: Targets,
  value: () => number,
): Record<string, number> {
  // A pattern for a layer that is not adapted would be ignored.
  const everywhere = options.layersToTransform === undefined && options.excludeModules === undefined;
  const path = everywhere ? draw.pick(paths) : paths.at(-1)!;
  const inBlock = everywhere && !base.unlikeBlocks && draw.chance(0.5);
  return { [inBlock ? `${base.layersPattern}.0.${path}` : targetName(draw, base, path)]: value() };
}

/**
 * Draws parameters of experts and routers to adapt in addition to the targets, or instead of them. Also draws a weight
 * of a linear layer that is no target.
 */
export function drawParameters(
  draw: Draw,
  base: RandomBase,
  { options, paths }: Targets,
): { targetParameters: string[]; targetModules?: string[] } {
  const { parameters = [], linears } = base;
  const weights = Object.keys(linears).filter((path) => !paths.includes(path));
  const listed = Array.isArray(options.targetModules);
  const further = listed && weights.length > 0 && draw.chance(0.2) ? [`${draw.pick(weights)}.weight`] : [];
  const targetParameters = [...draw.some(parameters), ...further];
  const named = targetParameters.map((name) => (draw.chance(0.5) ? name.replace(/^mlp\./, "") : name));
  const alone = options.layersToTransform === undefined && options.excludeModules === undefined && draw.chance(0.4);
  return { targetParameters: named, ...(alone ? { targetModules: [] } : {}) };
}

/** Returns the integers above 1 that divide all inputs of the layers (and their outputs with `both`). */
export function commonDivisors(base: RandomBase, paths: readonly string[], both = false): number[] {
  const sizes = paths.flatMap((path) => base.linears[path].slice(0, both ? 2 : 1));
  return Array.from({ length: Math.min(...sizes) - 1 }, (_, i) => i + 2).filter((n) =>
    sizes.every((size) => size % n === 0),
  );
}
