import { currentBackend, type Generator, OptionError, type SafetensorsData, yieldIfDue } from "@lowrank/core";
import type { Embedding, LayerKind, Linear, Module, Parameter, UnaryModule } from "@lowrank/nn";
import type { PeftConfig } from "../../config/peftConfig.ts";
import type { Warning } from "../../config/warning.ts";
import type { ActiveAdapter } from "../../layers/activeAdapter.ts";
import type { SavedModule } from "../../layers/savedModule.ts";
import { type Place, placesOf, type Swap } from "../../layers/swap.ts";
import type { LayerAdapter } from "../../layers/tunerLayer.ts";
import type { AnyMethod, PeftMethod, PromptTokenizer, SharedTensors } from "../../methods/shared/method.ts";
import type { FloatDType } from "../../methods/shared/methodFacts.ts";
import type { ParameterPlan, PlannedLayer } from "../../methods/shared/parameterMethod.ts";
import type { PromptTokens } from "../../prompt/promptTokens.ts";
import { savesTables } from "../../targets/embeddings.ts";
import { matchTargets, modelType, resolveTargets, type TargetReport } from "../../targets/matchTargets.ts";
import { filePrefix } from "./adapter.ts";
import type { planTies as PlanTies, Ties as TiedLayers } from "./planTies.ts";
import type { PlannedTokens } from "./planTokens.ts";

const parts = () => import("./planParts.ts");

/** Values that are needed to create a new adapter. */
export interface NewAdapter {
  name: string;
  config: PeftConfig;
  /** Paths of the modules to adapt. Default: the targets of the configuration. */
  paths?: readonly string[];
  /** Source of the random initial values. Default: a new generator with seed 0. */
  generator?: Generator;
  /** True if values will be read from a file. The adapter is then created without computing initial values. */
  loading: boolean;
  /** Returns the dtype in which to store the layer tensor with this file key. Default: f32 for all. */
  dtypeOf?: (fileKey: string) => FloatDType;
  /** Returns the shape of a tensor in the file, by file key; undefined if the file lacks it. Default: no file. */
  shapeOf?: (fileKey: string) => readonly number[] | undefined;
  /** Reads a tensor of the file, by file key. Required if `shapeOf` is given. */
  read?: (fileKey: string) => Promise<SafetensorsData>;
  /** Returns the adapters that the layer at a path has, by name. Default: none. */
  adaptersAt?: (path: string) => ReadonlyMap<string, LayerAdapter>;
  /** True if the model's layers are replicated, so that several share weights. Default: false. */
  replicated?: boolean;
  /** Tokenizes the text from which prompt tuning can be initialised. */
  tokenizer?: PromptTokenizer;
  signal?: AbortSignal;
}

/**
 * The configuration, layers, parameters and warnings of a new adapter. They are created before the model is changed.
 */
export interface Plan {
  config: PeftConfig;
  report: TargetReport;
  shared: SharedTensors;
  /** The virtual tokens put before sequences; null for layer methods. */
  prompt: PromptTokens | null;
  layers: PlannedLayer[];
  /** The paths that files contain for layers, if they differ from the layers' paths. Default: none differ. */
  filePaths?: ReadonlyMap<string, string>;
  saved: PlannedModule[];
  tokens: PlannedTokens[];
  swaps: Map<string, Swap>;
  tables: Map<string, Embedding | Linear>;
  warnings: Warning[];
}

/** A module that is trained in full. */
export interface PlannedModule {
  path: string;
  base: Module;
  /** The path of another such module, whose weight this one uses too. Default: it has its own weight. */
  tiedTo?: string;
  wrap(active: ActiveAdapter): SavedModule;
}

const taskHeads: Readonly<Record<string, readonly string[]>> = {
  SEQ_CLS: ["classifier", "score"],
  TOKEN_CLS: ["classifier", "score"],
  QUESTION_ANS: ["qa_outputs"],
};

/**
 * Returns the configuration with the task's heads added to `modulesToSave`, as in PEFT, and the names of these heads.
 */
export function withHeads<C extends PeftConfig>(
  given: C,
  { trainsHeads = true }: AnyMethod,
): { config: C; heads: readonly string[] } {
  const heads = trainsHeads ? (taskHeads[given.taskType ?? ""] ?? []) : [];
  if (heads.length === 0) return { config: given, heads };
  return { config: given.with({ modulesToSave: [...new Set([...(given.modulesToSave ?? []), ...heads])] }), heads };
}

/** Runs `fn` on the original base model: without adapters' wrappers, replaced parameters and merged weights. */
export type Bare = <T>(fn: () => T) => T;

/**
 * Creates the configuration, layers and parameters of a new adapter of a layer method. First finds the modules to
 * adapt, synchronously, while the wrappers of other adapters are removed. Then creates the adapter's layers; during
 * this time the model may run. Throws for targets and options that do not fit the model.
 */
export async function planAdapter(
  model: Module,
  options: NewAdapter & { method: PeftMethod; generator: Generator },
  bare: Bare,
): Promise<Plan> {
  const { method, generator, loading, dtypeOf = () => "f32", shapeOf = () => undefined, signal } = options;
  const { adaptersAt = () => new Map() } = options;
  const parameters = await method.parameters?.(options.config);
  const planTies = method.tiesLayers?.(options.config) ? (await (await parts()).loadPlanTies()).planTies : undefined;
  const found = bare(() => findPlaces(model, options, parameters, planTies));
  const { config, heads, report, bases, backend, tied: together } = found;
  const warnings = await namedWarnings(model, config, method, report, bare);
  if (together) warnings.push(...together.warnings);
  const apart = await together?.apart?.(options.read, (config) => planAdapter(model, { ...options, config }, bare));
  if (apart) return apart;
  const made = { backend, config, generator, loading };
  const shared = (await method.createShared?.({ ...made, layers: bases, model })) ?? {};
  const warn = (warning: Warning) => {
    if (!warnings.some(({ message }) => message === warning.message)) warnings.push(warning);
  };
  const layers: Plan["layers"] = [];
  // Layers are created one by one, since all draw from the same generator.
  const filePaths = parameters?.filePaths;
  for (const { path, base, kind, tied, isShared, parameter } of bases) {
    warnings.push(...tied);
    const fileKey = (key: string) =>
      method.fileKey?.(path, key, config) ?? `${filePrefix}${filePaths?.get(path) ?? path}.${key}`;
    const filed = {
      dtypeOf: (key: string) => dtypeOf(fileKey(key)),
      shapeOf: (key: string) => shapeOf(fileKey(key)),
    };
    const pending = method.createLayer({
      ...{ ...made, ...filed, base, kind, path: parameter ?? path, shared, warn },
      adapters: () => adaptersAt(path),
      tiedTo: together?.layers.includes(path) ? layers.find((one) => one.path === together.embedding) : undefined,
    });
    const layer = pending instanceof Promise ? await pending : pending;
    if (layer.baseWeight && isShared) {
      const why = tied[0]?.message ?? `${path} shares its weight with replicas of its layer`;
      throw new Error(`${why}; an initialisation that changes a layer's weight cannot be used on a tied weight`);
    }
    layers.push({ path, base, layer }, ...(layer.inner ?? []));
    await yieldIfDue(signal);
  }
  layers.push(...(parameters?.layers({ ...made, dtypeOf: (key) => dtypeOf(filePrefix + key) }) ?? []));
  const reset = layers.filter(({ layer }) => layer.baseWeight).length;
  if (reset > 0) {
    const { changedBase } = await (await parts()).loadChangedBase();
    warnings.push(changedBase(reset));
  }
  const rows = method.trainableTokens?.(config) ?? null;
  const { planTokens } = rows ? await (await parts()).loadPlanTokens() : {};
  const saved = await savedModulesOf(model, config, heads, warnings, bare, together);
  const { ties, sharing } = found;
  const { places, paths } = ties;
  const bias = method.bias?.(config) ?? "none";
  const { biasSwaps } = bias === "none" ? {} : await (await parts()).loadBiasSwaps();
  const savesBase = !method.adaptsRows && savesTables(config, [...paths.values()], together?.layers);
  const { savedTables } = savesBase ? await (await parts()).loadSavedTables() : {};
  const finish = (): Plan => {
    for (const { path, base } of saved) warnings.push(...tieWarning(path, base, ties, sharing));
    const tokens = planTokens?.(model, rows!, places, paths, planTies !== undefined) ?? [];
    for (const { path, base, owners } of tokens) {
      if (owners.length === 1) warnings.push(...tieWarning(path, base, ties));
    }
    checkDisjoint([...layers, ...saved, ...tokens].map(({ path }) => path));
    const adapted = new Set(layers.map(({ path }) => path));
    const swaps = biasSwaps?.(model, bias, adapted, saved) ?? new Map();
    const tables = savedTables && tokens.length === 0 ? savedTables(model, config, layers) : new Map();
    return { config, report, shared, prompt: null, layers, saved, tokens, swaps, tables, warnings, filePaths };
  };
  // Removing the wrappers changes the model, so this is done only if `finish` has to read the original modules.
  return rows || savesBase || bias !== "none" ? bare(finish) : finish();
}

/**
 * Returns warnings for names and patterns in the configuration that match nothing, and for pattern keys that contradict
 * each other.
 */
async function namedWarnings(
  model: Module,
  config: PeftConfig,
  method: PeftMethod,
  report: TargetReport,
  bare: Bare,
): Promise<Warning[]> {
  const warnings: Warning[] = [];
  for (const [name, keys] of Object.entries(method.patterns?.(config) ?? {})) {
    if (Object.keys(keys).length === 0) continue;
    const { orderWarnings, unusedKeys } = await (await parts()).loadPatternWarnings();
    report.unusedPatterns.push(...unusedKeys(keys, report.matched).map((key) => `${name} "${key}"`));
    warnings.push(...orderWarnings(name, keys, report.matched));
  }
  if ([...report.unmatchedTargets, ...report.unusedPatterns].length === 0) return warnings;
  const { targetWarnings } = await (await parts()).loadTargetWarnings();
  return [...bare(() => targetWarnings(model, report, method.kinds)), ...warnings];
}

/** A layer to adapt. */
interface Base {
  path: string;
  base: UnaryModule;
  kind: LayerKind;
  tied: Warning[];
  /** True if another module has the same weight. */
  isShared: boolean;
  /** The path of the weight, if the configuration names the weight instead of the layer. */
  parameter?: string;
}

/** Finds the layers and parameters that a method adapts. The model must be without wrappers. */
function findPlaces(
  model: Module,
  { method, config: given, paths: named, replicated, shapeOf = () => undefined }: NewAdapter & { method: PeftMethod },
  parameters?: ParameterPlan | null,
  planTies?: typeof PlanTies,
) {
  const modules = [...model.namedModules()];
  const { config: own, heads } = withHeads(given, method);
  const tied = planTies?.(model, own, method, shapeOf);
  const headed = tied?.config ?? own;
  const found = parameters?.find(model, headed, modules, method.defaultTargets);
  let config = method.targets ? headed : resolveTargets(model, found?.config ?? headed, method);
  if (method.resolve) config = method.resolve(config, modelType(model), model);
  const wanted = method.targets ? { ...config, targetModules: named ?? method.targets(config, model) } : config;
  const { targets: matched, report } = matchTargets(model, wanted, method.kinds, modules, found);
  const targets = tied?.place(matched, report) ?? matched;
  if (method.setsFanInFanOut)
    config = config.with({ fanInFanOut: !tied?.layers[0] && targets.some(([, , kind]) => kind === "conv1d") });
  const places = placesOf(model, modules);
  const paths = new Map(modules.map(([path, module]) => [module, path]));
  checkSingle(targets, modules);
  const ties: Ties = { places, paths, replicated };
  const sharing = new Set(method.adaptsRows ? targets.map(([, module]) => module) : tied?.sharing);
  const isShared = (module: Module) => (places.get((module as Weighted).weight as Parameter)?.length ?? 0) > 1;
  const bases = targets.map(([path, module, kind]): Base => {
    const tied = tieWarning(path, module, ties, sharing);
    return { path, base: module as UnaryModule, kind, tied, isShared: isShared(module) };
  });
  for (const weight of found?.weights ?? []) {
    const { path, base } = weight;
    bases.push({ ...weight, kind: "linear", tied: tieWarning(path, base, ties), isShared: isShared(base) });
  }
  const [first] = model.parameters();
  const backend = first?.storage.backend ?? currentBackend();
  return { config, heads, report, bases, backend, ties, sharing, tied };
}

/** Throws if an adapted module has two paths: an adapter at one of them would be merged into both. */
function checkSingle(
  targets: readonly (readonly [string, Module, ...unknown[]])[],
  modules: readonly [string, Module][],
): void {
  const adapted = new Map(targets.map(([path, module]) => [module, path]));
  for (const [path, module] of modules) {
    const first = adapted.get(module);
    if (first === undefined || first === path) continue;
    throw new OptionError("", "targetModules", first, (named) => {
      return `${path} and ${first} are one module; exclude both from ${named("targetModules")}, or use two modules with one weight`;
    });
  }
}

type Weighted = Module & { weight?: Parameter };

/** The modules of a model by their parameters, and the modules' paths. */
interface Ties {
  places: ReadonlyMap<Parameter, readonly Place[]>;
  paths: ReadonlyMap<Module, string>;
  /** True if the model's layers are replicated. Default: false. */
  replicated?: boolean;
}

/**
 * Returns a warning if an adapted module shares its weight with other modules, which are not adapted. Modules of
 * `sharing` share the adapter too. Replicas of a layer are meant to share weights.
 */
function tieWarning(
  path: string,
  base: Module,
  { places, paths, replicated }: Ties,
  sharing: ReadonlySet<Module> = new Set(),
): Warning[] {
  const { weight } = base as Weighted;
  const tied = weight ? (places.get(weight) ?? []) : [];
  const unnumbered = (module: Module) => paths.get(module)?.replace(/\d+/g, "");
  const isReplica = (owner: Module) => replicated && unnumbered(owner) === unnumbered(base);
  const others = tied.filter(({ owner }) => owner !== base && !sharing.has(owner) && !isReplica(owner));
  if (others.length === 0) return [];
  const names = others.map(({ owner }) => paths.get(owner)).join(", ");
  const message = `${path} shares its weight with ${names}: the adapter changes ${path} alone, and merging gives it its own weight`;
  return [{ code: "tied-weight", message }];
}

/** Finds the modules that are trained in full: the configured `modulesToSave` and the task's heads. */
export async function savedModulesOf(
  model: Module,
  config: PeftConfig,
  heads: readonly string[],
  warnings: Warning[],
  bare: Bare = (fn) => fn(),
  ties?: TiedLayers,
): Promise<Plan["saved"]> {
  if ((config.modulesToSave ?? []).length === 0) return [];
  const { savedModules } = await (await parts()).loadSavedModules();
  return savedModules(model, config, heads, warnings, bare, ties);
}

/** Returns the path of a module's parent: "a.b" for "a.b.c". */
const parentOf = (path: string): string => path.replace(/\.?[^.]*$/, "");

/** Throws if a path occurs twice, or is inside of another path. Each module can be changed in only one way. */
export function checkDisjoint(paths: readonly string[]): void {
  const met = new Set<string>();
  for (const path of paths) {
    if (met.has(path)) {
      throw new OptionError("", "targetModules", path, (named) => {
        const targets = named("targetModules");
        const others = `${named("modulesToSave")}, targetParameters and trainableTokenIndices`;
        return `${path} is named more than once by ${targets}, ${others}; exclude it from ${targets}`;
      });
    }
    met.add(path);
  }
  for (const path of paths) {
    // A layer inside of an adapted module, which gets the adapter together with it.
    if (path.includes(".base_layer.")) continue;
    for (let outer = parentOf(path); outer !== ""; outer = parentOf(outer)) {
      if (!met.has(outer)) continue;
      throw new Error(`${path} is inside ${outer}, which is adapted or saved whole; leave one of the two out`);
    }
  }
}
