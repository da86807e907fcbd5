import { OptionError, type SafetensorsData } from "@lowrank/core";
import type { LayerKind, Module } from "@lowrank/nn";
import type { PeftConfig } from "../../config/peftConfig.ts";
import type { Warning } from "../../config/warning.ts";
import { type Place, placesOf } from "../../layers/swap.ts";
import type { PeftMethod } from "../../methods/shared/method.ts";
import { inputEmbedding, tableNames } from "../../targets/embeddings.ts";
import { matchesPath, type TargetReport } from "../../targets/matchTargets.ts";
import { pythonRegex } from "../../targets/pythonRegex.ts";
import { filePrefix } from "./adapter.ts";
import type { Plan } from "./planAdapter.ts";

type Read = (fileKey: string) => Promise<SafetensorsData>;
type Targets = [path: string, module: Module, kind: LayerKind][];

/** The layers that share the adapter of the input embedding, and the configuration that names the embedding. */
export interface Ties<C extends PeftConfig = PeftConfig> {
  readonly config: C;
  /** The path of the input embedding. Absent if nothing is tied. */
  readonly embedding?: string;
  /** The paths of the adapted layers that use the embedding's tensors. */
  readonly layers: readonly string[];
  /** The paths of the modules in `modulesToSave` that train the embedding's weight. */
  readonly saved: readonly string[];
  /** The modules that share an adapter. */
  readonly sharing: readonly Module[];
  readonly warnings: readonly Warning[];
  /**
   * Plans an adapter without a tie if the tied layers have different tensors in the file, which `read` reads, with a
   * warning. PEFT writes such files if the base model is f16 or bf16. Returns null if the tensors are the same, or if
   * there is no file. Absent if no layers are tied.
   */
  apart?(read: Read | undefined, plan: (config: C) => Promise<Plan>): Promise<Plan | null>;
  /** Returns the targets with the layers of `layers` at the end. Adds these layers to the report. */
  place(targets: Targets, report: TargetReport): Targets;
}

/** Returns the model's input embedding, its path, and the paths of the modules that have the same weight. */
export function tiedPaths(model: Module): { embedding: string; tied: readonly string[] } | null {
  const found = inputEmbedding(model);
  if (!found) return null;
  const modules = [...model.namedModules()];
  const paths = new Map(modules.map(([path, module]) => [module, path]));
  const places: readonly Place[] = placesOf(model, modules).get(found[1].weight) ?? [];
  const others = places.filter(({ owner }) => owner !== found[1]);
  return { embedding: found[0], tied: others.map(({ owner }) => paths.get(owner)!) };
}

/** Returns true if one of the names, or the expression, selects `embed_tokens` or `lm_head`: PEFT's rule. */
function namesTable(wanted: readonly string[] | string | null): boolean {
  if (typeof wanted !== "string") return wanted?.some((name) => tableNames.includes(name.split(".").pop()!)) ?? false;
  const expression = pythonRegex(wanted, "fullmatch");
  return tableNames.some((name) => expression.test(name));
}

/**
 * Returns the names with the embedding added and the tied modules removed, as in PEFT. If PEFT would then not find the
 * tie again when it loads the names from a file, as for GPT-2's `wte`, the tied modules stay.
 */
function withEmbedding(names: readonly string[], embedding: string, tied: readonly string[]): readonly string[] {
  const listed = names.includes(embedding) ? [...names] : [...names, embedding];
  for (const path of tied) {
    const at = listed.findIndex((name) => pythonRegex(String.raw`(^|.*\.)${name}($|\..*)`, "match").test(path));
    if (at >= 0) listed.splice(at, 1);
  }
  return namesTable(listed) ? listed : [...listed, ...tied];
}

/** Returns the targets with the embedding added: a list as `withEmbedding`, an expression as an alternative. */
function targetsWith(wanted: PeftConfig["targetModules"], embedding: string, tied: readonly string[]) {
  if (typeof wanted !== "string") return withEmbedding(wanted ?? [], embedding, tied);
  return matchesPath(wanted, embedding) ? wanted : `(?:${wanted}|^${escaped(embedding)}$)`;
}

const escaped = (path: string): string => path.replace(/\./g, String.raw`\.`);

/** Returns true if two matrices of a file are each other's transpose, bit by bit. */
function areTransposed(a: SafetensorsData, b: SafetensorsData): boolean {
  const [rows, columns] = a.shape;
  if (a.dtype !== b.dtype || b.shape.join() !== [columns, rows].join()) return false;
  const size = a.bytes.length / (rows * columns);
  return a.bytes.every((byte, i) => {
    const [row, column] = [Math.floor(i / size / columns), Math.floor(i / size) % columns];
    return byte === b.bytes[(column * rows + row) * size + (i % size)];
  });
}

/**
 * Finds the layers that share the adapter of the input embedding, by PEFT's rule for `ensureWeightTying`. They have the
 * embedding's weight. `modulesToSave` or `targetModules` names `embed_tokens` or `lm_head`, or the file that is loaded
 * has tensors for them. Throws if the embedding cannot be adapted.
 */
export function planTies<C extends PeftConfig>(
  model: Module,
  config: C,
  { kinds, peftType, trainableTokens }: PeftMethod,
  shapeOf: (fileKey: string) => unknown,
): Ties<C> {
  const nothing = (why: string): Ties<C> => {
    const message = `ensureWeightTying ties nothing: ${why}`;
    const warnings = [{ code: "nothing-tied", message }];
    return { config, layers: [], saved: [], sharing: [], warnings, place: (targets) => targets };
  };
  const found = tiedPaths(model);
  if (!found || found.tied.length === 0) return nothing("no layer of this model has the weight of the input embedding");
  const { embedding, tied } = found;
  const sharing = [embedding, ...tied].map((path) => model.getSubmodule(path));
  const parts = { embedding, sharing, warnings: [] };
  const { targetModules, modulesToSave, excludeModules } = config;
  const inFile = (key: string) => tied.some((path) => shapeOf(`${filePrefix}${path}.${key}`) !== undefined);
  if (namesTable(modulesToSave) || inFile("weight")) {
    const next = config.with({ modulesToSave: withEmbedding(modulesToSave ?? [], embedding, tied) });
    return { ...parts, config: next, layers: [], saved: tied, place: (targets) => targets };
  }
  if (!namesTable(targetModules) && !inFile("lora_A.weight")) {
    if (trainableTokens?.(config)) return { ...nothing(""), embedding, warnings: [] };
    return nothing(`neither targetModules nor modulesToSave names ${tableNames.join(" or ")}`);
  }
  const both = `${embedding} and ${tied.join(", ")}`;
  if (!kinds.includes("embedding")) {
    throw new OptionError("", "ensureWeightTying", true, (named) => {
      const [saved, targets] = [named("modulesToSave"), named("targetModules")];
      return `${peftType} adapts no embeddings, so it cannot adapt ${both} together; name them in ${saved} instead of ${targets}`;
    });
  }
  if (excludeModules && matchesPath(excludeModules, embedding)) {
    throw new OptionError("", "excludeModules", excludeModules, (named) => {
      return `excludes ${embedding}, whose adapter ${tied.join(", ")} shares; leave it out, or ${named("ensureWeightTying")}`;
    });
  }
  const place = (targets: Targets, report: TargetReport): Targets => {
    const followers = tied.map((path): Targets[number] => [path, model.getSubmodule(path), "linear"]);
    const own = targets.filter(([path]) => !tied.includes(path));
    report.matched = [...report.matched.filter((path) => !tied.includes(path)), ...tied];
    return [...own, ...followers];
  };
  const next = config.with({ targetModules: targetsWith(targetModules, embedding, tied) });
  const apart: Ties<C>["apart"] = async (read, plan) => {
    for (const path of tied) {
      const keys = { "lora_A.weight": "lora_embedding_B", "lora_B.weight": "lora_embedding_A" };
      for (const [key, source] of Object.entries(keys)) {
        const names = [`${filePrefix}${path}.${key}`, `${filePrefix}${embedding}.${source}`];
        // Missing tensors are an error of loading.
        if (!read || names.some((name) => shapeOf(name) === undefined)) return null;
        if (areTransposed(await read(names[0]), await read(names[1]))) continue;
        const message = `the file has different factors for ${both}, so they are loaded as two adapters, without ensureWeightTying`;
        const { targetModules: targets } = next;
        const list =
          typeof targets === "string" ? `(?:${targets}|${tied.map(escaped).join("|")})` : [...targets!, ...tied];
        const planned = await plan(next.with({ ensureWeightTying: false, targetModules: list }));
        return { ...planned, warnings: [{ code: "tied-weight", message }, ...planned.warnings] };
      }
    }
    return null;
  };
  return { ...parts, config: next, layers: tied, saved: [], place, apart };
}
