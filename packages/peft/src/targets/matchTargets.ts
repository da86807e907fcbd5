import { OptionError } from "@lowrank/core";
import { nearestName } from "@lowrank/core/internal";
import type { LayerKind, Module } from "@lowrank/nn";
import type { PeftConfig } from "../config/peftConfig.ts";
import { blocksOf } from "./blocks.ts";
import { outputLayer } from "./embeddings.ts";
import { pythonRegex } from "./pythonRegex.ts";

/** Modules that a configuration's targets matched, and names and patterns that matched nothing. */
export interface TargetReport {
  /** Paths of the modules that get the adapter. */
  matched: string[];
  /** Paths of modules that match `targetModules` but are excluded by `excludeModules` or `modulesToSave`. */
  excluded: string[];
  /** Entries of `targetModules` that match no module. */
  unmatchedTargets: string[];
  /**
   * Entries of other options that match nothing: keys of patterns such as `rankPattern`, exclusions, and layer indices.
   */
  unusedPatterns: string[];
}

/** Options by which some methods adapt only some of a model's numbered layers. */
interface LayerChoice {
  layersToTransform?: readonly number[] | number | null;
  layersPattern?: readonly string[] | string | null;
}

/**
 * Returns all ends of a path that begin at a name: "a.b.c", "b.c" and "c" for "a.b.c". A module name matches the path
 * if it equals one of these.
 */
function endsOf(path: string): string[] {
  return path.split(".").map((_, i, parts) => parts.slice(i).join("."));
}

/** Returns true if a module path matches: one of several names, or a regular expression for the whole path. */
export function matchesPath(wanted: readonly string[] | string, path: string): boolean {
  return pathMatcher(wanted)(path);
}

/** Returns a function that checks many paths like `matchesPath`, but parses the expression only once. */
function pathMatcher(wanted: readonly string[] | string): (path: string) => boolean {
  if (typeof wanted !== "string") {
    const names = new Set(wanted);
    return (path) => endsOf(path).some((end) => names.has(end));
  }
  const expression = pythonRegex(wanted, "fullmatch");
  return (path) => expression.test(path);
}

/** Returns true if `targetModules` is PEFT's name for all linear layers, in any case of its letters. */
export function isAllLinear(targets: PeftConfig["targetModules"]): boolean {
  return typeof targets === "string" && targets.toLowerCase() === "all-linear";
}

/** Returns the paths of all linear layers except the output layer. */
export function allLinear(model: Module, config: PeftConfig): string[] {
  const head = outputLayer(model, config.taskType);
  const linear = (module: Module) => ["linear", "conv1d"].includes(module.layerKind ?? "");
  return [...model.namedModules()].filter(([, module]) => linear(module) && module !== head).map(([path]) => path);
}

/** Returns a model's architecture name in Hugging Face's config.json (`model_type`), or undefined. */
export function modelType(model: Module): string | undefined {
  return (model as { config?: { modelType?: string } }).config?.modelType;
}

/** The properties of a method that determine its targets. */
interface TargetedMethod {
  readonly kinds: readonly LayerKind[];
  readonly defaultTargets: Readonly<Record<string, readonly string[]>>;
  readonly otherTargets?: "all-linear";
}

/**
 * Returns the default targets for a method on a model: the targets that the method defines for the model's `model_type`
 * or, if it defines none, the targets that the model defines for the method's main kind of layer. Undefined if both are
 * missing.
 */
export function defaultsOn(model: Module, { kinds, defaultTargets }: TargetedMethod): readonly string[] | undefined {
  const type = modelType(model);
  if (type !== undefined && Object.hasOwn(defaultTargets, type)) return defaultTargets[type];
  const { defaultTargets: own = {} } = model as { defaultTargets?: Partial<Record<LayerKind, readonly string[]>> };
  return own[kinds[0]] ?? (adaptsBlocks(kinds) ? blocksOf(model) : undefined);
}

/** Returns true for a method that adapts whole blocks of a decoder. */
function adaptsBlocks(kinds: readonly LayerKind[]): boolean {
  return kinds.includes("block");
}

/**
 * Returns the configuration with "all-linear" in `targetModules` replaced by module names, and null by the method's
 * default targets. Throws if there is no default for the model.
 */
export function resolveTargets<C extends PeftConfig>(model: Module, config: C, method: TargetedMethod): C {
  const { otherTargets, defaultTargets } = method;
  const listed = Object.hasOwn(defaultTargets, modelType(model) ?? "");
  const targetModules = config.targetModules ?? (listed ? null : (otherTargets ?? null));
  if (isAllLinear(targetModules)) {
    return config.with({ targetModules: allLinear(model, config) });
  }
  if (targetModules !== null) return config;
  const known = defaultsOn(model, method);
  if (!known) {
    const type = modelType(model);
    const kind = type ? `a ${type} model` : "a model without config.modelType";
    const advice = `name some of ${candidates(model).join(", ")}`;
    throw new OptionError("", "targetModules", null, `is not set, and there is no default for ${kind}; ${advice}`);
  }
  return config.with({ targetModules: [...known] });
}

/** Returns the names (last parts of paths) of all layers of the given kinds. */
export function candidates(model: Module, kinds: readonly LayerKind[] = ["linear", "conv1d"]): string[] {
  const names = new Set<string>(adaptsBlocks(kinds) ? blocksOf(model) : []);
  for (const [path, module] of model.namedModules()) {
    const kind = module.layerKind;
    if (kind && kinds.includes(kind)) names.add(path.slice(path.lastIndexOf(".") + 1));
  }
  return [...names];
}

/** Returns `layersToTransform` as an array; empty if all layers are adapted. */
function wantedLayers({ layersToTransform }: LayerChoice): readonly number[] {
  return typeof layersToTransform === "number" ? [layersToTransform] : (layersToTransform ?? []);
}

/**
 * Returns the layer number in a module path, or null if there is none. By PEFT's rule, it is the number after one of
 * the names in `layersPattern`. Without `layersPattern`, it is the first number that has at least two names before it,
 * such as 3 in "model.layers.3.mlp".
 */
function layerNumber(path: string, { layersPattern }: LayerChoice): number | null {
  const names = typeof layersPattern === "string" ? [layersPattern] : (layersPattern ?? []);
  const expressions =
    names.filter((name) => name !== "").length === 0
      ? [/^.*?\.[^.]*\.(\d+)\./]
      : names.map((name) => pythonRegex(String.raw`(?:^|.*?\.)${name}\.(\d+)\.`, "match"));
  for (const expression of expressions) {
    const index = expression.exec(path)?.[1];
    if (index !== undefined) return Number(index);
  }
  return null;
}

/** Returns the entries of `excludeModules` and `layersToTransform` that match nothing. */
function unusedChoices(
  model: Module,
  config: Pick<PeftConfig, "excludeModules"> & LayerChoice,
  met: ReadonlySet<number | null>,
): string[] {
  const { excludeModules: excluded } = config;
  const entries = typeof excluded === "string" ? [excluded] : (excluded ?? []);
  const paths = [...model.namedModules()].map(([path]) => path);
  const unmet = entries.filter((entry) => {
    const one = typeof excluded === "string" ? entry : [entry];
    return !paths.some((path) => matchesPath(one, path));
  });
  const layers = wantedLayers(config).filter((number) => !met.has(number));
  return [
    ...unmet.map((entry) => `excludeModules "${entry}"`),
    ...layers.map((number) => `layersToTransform ${number}`),
  ];
}

/**
 * Finds the modules that `targetModules` selects, by PEFT's rules, and reports what matched. Throws if nothing matched,
 * or if a module has a kind that the method cannot adapt. Pass `modules` if you have already listed the model's
 * modules. `parameters` are adapted in addition; they are reported, and the modules may then be none.
 */
export function matchTargets(
  model: Module,
  config: Omit<PeftConfig, "with"> & LayerChoice,
  kinds: readonly LayerKind[],
  modules: Iterable<readonly [string, Module]> = model.namedModules(),
  parameters: { readonly keys: readonly string[]; readonly unused: readonly string[] } = { keys: [], unused: [] },
): { targets: [path: string, module: Module, kind: LayerKind][]; report: TargetReport } {
  const wanted = config.targetModules ?? [];
  const report: TargetReport = { matched: [], excluded: [], unmatchedTargets: [], unusedPatterns: [] };
  const targets: [string, Module, LayerKind][] = [];
  const answered = new Set<string>();
  const met = new Set<number | null>();
  const layers = wantedLayers(config);
  const saved = (config.modulesToSave ?? []).map((name) => pythonRegex(String.raw`(^|.*\.)${name}($|\..*)`, "match"));
  const matches = pathMatcher(wanted);
  const blocks = new Set(adaptsBlocks(kinds) ? blocksOf(model) : []);
  for (const [path, module] of modules) {
    if (path === "" || !matches(path)) continue;
    if (typeof wanted !== "string" && layers.length > 0) {
      const number = layerNumber(path, config);
      met.add(number);
      if (!wanted.includes(path) && !layers.includes(number as number)) continue;
    }
    for (const end of endsOf(path)) answered.add(end);
    if (
      saved.some((expression) => expression.test(path)) ||
      (config.excludeModules && matchesPath(config.excludeModules, path))
    ) {
      report.excluded.push(path);
      continue;
    }
    const kind = blocks.has(path) ? "block" : module.layerKind;
    if (!kind || !kinds.includes(kind)) {
      const supported = `${config.peftType} adapts ${kinds.join(", ")} layers only: name those inside it`;
      const problem = `matches ${path}, a ${module.constructor.name}; ${supported}`;
      throw new OptionError("", "targetModules", wanted, problem);
    }
    targets.push([path, module, kind]);
    report.matched.push(path);
  }
  if (typeof wanted !== "string") report.unmatchedTargets = wanted.filter((name) => !answered.has(name));
  report.unusedPatterns = [...unusedChoices(model, config, met), ...parameters.unused];
  report.matched.push(...parameters.keys);
  if (report.matched.length === 0) throw nothingMatched(model, config, kinds, report);
  return { targets, report };
}

function nothingMatched(
  model: Module,
  config: Omit<PeftConfig, "with"> & LayerChoice,
  kinds: readonly LayerKind[],
  report: TargetReport,
): Error {
  const known = candidates(model, kinds);
  const excluded = report.excluded.length > 0 ? ` (${report.excluded.length} were excluded)` : "";
  const chosen = wantedLayers(config);
  const among = chosen.length > 0 ? ` in the layers of layersToTransform, ${chosen.join(", ")}` : "";
  const { targetModules } = config;
  const near = suggest(report.unmatchedTargets, known);
  const problem = `matches no module of this model${among}${excluded}; ${near}layers that can be targeted: ${known.join(", ")}`;
  return new OptionError("", "targetModules", targetModules, `${JSON.stringify(targetModules)} ${problem}`);
}

/** Returns a "did you mean" sentence with names from `known` that resemble the unmatched `names`. */
export function suggest(names: readonly string[], known: readonly string[]): string {
  const pairs = names.flatMap((name) => {
    const last = name.slice(name.lastIndexOf(".") + 1);
    const near = nearestName(last, known);
    return near === null || near === last ? [] : [`${near} for ${name}`];
  });
  return pairs.length > 0 ? `did you mean ${pairs.join(", ")}? ` : "";
}
