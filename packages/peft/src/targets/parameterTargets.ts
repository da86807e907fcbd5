import { OptionError } from "@lowrank/core";
import { nearestName } from "@lowrank/core/internal";
import { type Linear, type Module, Parameter } from "@lowrank/nn";
import type { ExpertLayers, ExpertStack } from "@lowrank/nn/internal";
import type { PeftConfig } from "../config/peftConfig.ts";
import { modelType } from "./matchTargets.ts";

/** The weight of a linear layer. */
interface WeightTarget {
  readonly path: string;
  readonly base: Linear;
  /** The parameter's path in transformers. */
  readonly parameter: string;
}

/** Parameters that an adapter changes. */
export interface FoundParameters {
  /** The configuration. If it names no modules, it has PEFT's default for adapters of parameters. */
  readonly config: PeftConfig;
  /** Weights of linear layers, which get the method's adapter of a layer. */
  readonly weights: readonly WeightTarget[];
  /** The paths of all parameters in transformers. */
  readonly keys: readonly string[];
  /** Names that match no parameter, for `TargetReport.unusedPatterns`. */
  readonly unused: readonly string[];
}

/** A linear layer that contains some rows of an expert's matrix. */
interface ExpertRows {
  readonly path: string;
  readonly base: Linear;
}

/** Parameters of transformers that stack the weights of linear layers of all experts. */
export interface LayersTarget {
  readonly kind: "layers";
  /** The path of the experts in transformers, which adapter files contain. */
  readonly filePath: string;
  /** For each parameter, its name and for each expert the layers that have its rows. */
  readonly parameters: readonly { readonly name: string; readonly experts: readonly (readonly ExpertRows[])[] }[];
}

/** Parameters [experts, out, in] of a module. */
export interface StackTarget {
  readonly kind: "stack";
  readonly path: string;
  readonly base: ExpertStack;
  readonly filePath: string;
  readonly parameters: readonly { readonly name: string }[];
}

/** Stacked parameters of one module that an adapter changes. */
export type StackedTarget = LayersTarget | StackTarget;

/** Parameters of one module that an adapter changes. */
type ParameterTarget = StackedTarget | ({ readonly kind: "weight"; readonly filePath: string } & WeightTarget);

const isLayers = (module: Module): module is ExpertLayers => "stacked" in module;
const isStack = (module: Module): module is ExpertStack => "stackedParameters" in module;

/** A parameter that a model has in transformers. `target` is null if it cannot be adapted. */
interface Candidate {
  readonly key: string;
  readonly name: string;
  readonly target: ParameterTarget | null;
  /** The module that has the parameter, for messages. */
  readonly owner: string;
}

/**
 * Finds the parameters whose path in transformers is, or ends with, an entry of `names`, as in PEFT. Throws if an entry
 * matches a parameter that cannot be adapted, and if nothing is adapted.
 */
export function findParameters(
  model: Module,
  given: PeftConfig,
  names: readonly string[],
  modules: readonly (readonly [string, Module])[],
  defaultTargets: Readonly<Record<string, readonly string[]>>,
): FoundParameters & { readonly stacked: readonly StackedTarget[]; readonly filePaths: ReadonlyMap<string, string> } {
  const all = [...candidates(modules)];
  const matches = (name: string, key: string) => key === name || key.endsWith(`.${name}`);
  const found = all.filter(({ key }) => names.some((name) => matches(name, key)));
  const problem = (text: string) => new OptionError("", "targetParameters", names, text);
  const wrong = found.find(({ target }) => target === null);
  if (wrong) {
    const supported = "supported are stacked weights of experts, and weights of linear layers";
    throw problem(`matches ${wrong.key}, a parameter of a ${wrong.owner}; ${supported}`);
  }
  // PEFT lacks default targets for architectures with experts.
  const listed = Object.hasOwn(defaultTargets, modelType(model) ?? "");
  const hasDefault = listed && !modules.some(([, module]) => isLayers(module));
  const config = given.targetModules !== null || hasDefault ? given : given.with({ targetModules: [] });
  if (found.length === 0 && config.targetModules?.length === 0) {
    const known = [...new Set(all.flatMap(({ key, target }) => (target ? [shortName(key)] : [])))];
    const near = names.flatMap((name) => nearestName(name, known) ?? []);
    const hint = near.length > 0 ? `did you mean ${near.join(", ")}? ` : "";
    throw problem(`${JSON.stringify(names)} matches no parameter of this model; ${hint}it has ${known.join(", ")}`);
  }
  const targets = joined(found);
  const weights = targets.filter((target) => target.kind === "weight");
  return {
    config,
    weights,
    filePaths: new Map(weights.flatMap(({ path, filePath }) => (path === filePath ? [] : [[path, filePath]]))),
    stacked: targets.filter((target) => target.kind !== "weight"),
    keys: found.map(({ key }) => key),
    unused: names
      .filter((name) => !found.some(({ key }) => matches(name, key)))
      .map((name) => `targetParameters "${name}"`),
  };
}

/** Returns the last two components of a path, by which parameters are usually named. */
const shortName = (key: string): string => key.split(".").slice(-2).join(".");

/** Joins the targeted parameters of each module, in the order of the module's parameters. */
function joined(found: readonly Candidate[]): ParameterTarget[] {
  const groups = new Map<string, ParameterTarget>();
  for (const { target } of found) {
    const before = groups.get(target!.filePath);
    if (before?.kind === "layers" && target?.kind === "layers") {
      groups.set(before.filePath, { ...before, parameters: [...before.parameters, ...target.parameters] });
    } else if (before?.kind === "stack" && target?.kind === "stack") {
      groups.set(before.filePath, { ...before, parameters: [...before.parameters, ...target.parameters] });
    } else groups.set(target!.filePath, target!);
  }
  return [...groups.values()];
}

/** Yields the parameters that the model has in transformers, in the order of its modules. */
function* candidates(modules: readonly (readonly [string, Module])[]): Iterable<Candidate> {
  let block: { path: string; filePath: string } | null = null;
  for (const [path, module] of modules) {
    if (block && !path.startsWith(`${block.path}.`)) block = null;
    if (isLayers(module)) {
      block = { path, filePath: path.replace(/[^.]*$/, module.stacked.module) };
      yield* stackedLayers(module, path, `${block.filePath}.experts`);
    }
    if (block && path.startsWith(`${block.path}.experts.`)) continue;
    const filePath = block ? block.filePath + path.slice(block.path.length) : path;
    for (const [name, value] of Object.entries(module)) {
      if (!(value instanceof Parameter)) continue;
      const key = `${filePath}.${name}`;
      yield { key, name, target: targetOf(module, name, { path, filePath, key }), owner: module.constructor.name };
    }
  }
}

function targetOf(
  module: Module,
  name: string,
  { path, filePath, key }: { path: string; filePath: string; key: string },
): ParameterTarget | null {
  if (isStack(module) && module.stackedParameters.includes(name)) {
    return { kind: "stack", path, base: module, filePath, parameters: [{ name }] };
  }
  if (module.layerKind !== "linear" || name !== "weight") return null;
  return { kind: "weight", path, base: module as Linear, filePath, parameter: key };
}

function* stackedLayers(module: ExpertLayers, path: string, filePath: string): Iterable<Candidate> {
  const all = [...module.experts];
  for (const [name, layers] of Object.entries(module.stacked.parameters)) {
    const experts = all.map((expert, i) =>
      layers.map((layer) => ({
        path: `${path}.experts.${i}.${layer}`,
        base: expert.getSubmodule(layer) as Linear,
      })),
    );
    const target: LayersTarget = { kind: "layers", filePath, parameters: [{ name, experts }] };
    yield { key: `${filePath}.${name}`, name, target, owner: module.constructor.name };
  }
}
