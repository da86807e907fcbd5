import type { Linear, Module, Parameter, UnaryModule } from "@lowrank/nn";
import type { ActiveAdapter } from "../../layers/activeAdapter.ts";
import type { Place } from "../../layers/swap.ts";
import { type TokenRows, tokenRows } from "../../layers/tokenRows.ts";
import { TrainableTokens } from "../../layers/trainableTokens.ts";
import { inputEmbedding } from "../../targets/embeddings.ts";

/** An embedding or output layer in which an adapter retrains the rows of some tokens. */
export interface PlannedTokens {
  path: string;
  base: UnaryModule;
  kind: "embedding" | "linear";
  rows: TokenRows;
  /**
   * This module and the modules tied to it, which share the rows. Empty for a tied module if the rows are saved with
   * the module that it is tied to.
   */
  owners: readonly Module[];
  /**
   * Creates the module's wrapper. Callers use this method instead of the wrapper's class, so that the code of the class
   * is loaded only if tokens are retrained.
   */
  wrap(active: ActiveAdapter): TrainableTokens;
}

type Indices = readonly number[];

/**
 * Finds the modules in which token embeddings are retrained, as in PEFT. A module tied to the input embedding shares
 * its retrained rows, unless `wanted` lists other tokens for that module. If `wanted` names the tied module but not the
 * input embedding, the tied module gets its own rows. Throws if `together` is set and the lists differ.
 */
export function planTokens(
  model: Module,
  wanted: Indices | Readonly<Record<string, Indices>>,
  places: ReadonlyMap<Parameter, readonly Place[]>,
  paths: ReadonlyMap<Module, string>,
  together: boolean,
): PlannedTokens[] {
  const asked = askedModules(model, wanted);
  const input = inputEmbedding(model)?.[1];
  const tied = ((input && places.get(input.weight)) ?? []).map(({ owner }) => owner).filter((owner) => owner !== input);
  const same = tied.every((owner) => !asked.has(owner) || `${asked.get(owner)}` === `${asked.get(input!)}`);
  const followers = same ? tied : [];
  const apart = tied.find((owner) => asked.has(owner) && asked.has(input!) && !same);
  if (together && apart) {
    const [one, other] = [input!, apart].map((module) => `[${asked.get(module)}] for ${paths.get(module)}`);
    throw new Error(
      `trainableTokenIndices lists ${one} and ${other}, which share one weight; list the same tokens for both, or leave out ensureWeightTying`,
    );
  }
  const planned: PlannedTokens[] = [];
  for (const [module, indices] of asked) {
    if (followers.includes(module)) continue;
    const path = paths.get(module)!;
    const rows = tokenRows((module as Linear).weight, indices, path);
    const group = module === input ? [module, ...followers] : [module];
    for (const one of group) {
      const owners = one === module ? group : [];
      const place = paths.get(one)!;
      const [base, kind] = [one as UnaryModule, tokenKind(place, one)];
      const wrap = (active: ActiveAdapter) => new TrainableTokens(base, kind, active);
      planned.push({ path: place, base, kind, rows, owners, wrap });
    }
  }
  return planned;
}

/** Finds the modules that `trainableTokenIndices` names. Returns the token ids to retrain in each of them. */
function askedModules(model: Module, wanted: Indices | Readonly<Record<string, Indices>>): Map<Module, Indices> {
  const asked = new Map<Module, Indices>();
  for (const [name, indices] of byName(model, wanted)) {
    const found = [...model.namedModules()].filter(([path]) => path !== "" && path.endsWith(name));
    if (found.length === 0) throw new Error(`trainableTokenIndices: no module's path ends with ${name}`);
    for (const [path, module] of found) {
      tokenKind(path, module);
      const before = asked.get(module);
      if (before && `${before}` !== `${indices}`) {
        throw new Error(
          `trainableTokenIndices: ${path} is named twice, with the tokens [${before}] and, as ${name}, with [${indices}]; name it once`,
        );
      }
      asked.set(module, indices);
    }
  }
  return asked;
}

function byName(model: Module, wanted: Indices | Readonly<Record<string, Indices>>): [string, Indices][] {
  if (!Array.isArray(wanted)) return Object.entries(wanted as Readonly<Record<string, Indices>>);
  const found = inputEmbedding(model);
  if (!found)
    throw new Error("trainableTokenIndices: this model has no embedding; name the module the tokens belong to");
  return [[found[0], wanted]];
}

function tokenKind(path: string, module: Module): "embedding" | "linear" {
  const kind = module.layerKind;
  if (kind === "embedding" || kind === "linear") return kind;
  throw new Error(
    `trainableTokenIndices: ${path} is a ${module.constructor.name}; tokens have rows in embeddings and output layers only`,
  );
}
