import type { Module } from "@lowrank/nn";
import { isList, refuse } from "../config/checks.ts";
import { type LayerRanges, type PeftConfig, sameValue } from "../config/peftConfig.ts";
import type { Adapter } from "./adapter/adapter.ts";

/** The layers that `layerReplication` gave a model. */
export interface Replication {
  readonly ranges: LayerRanges;
  /** Gives the model its former layers back. The model must be without adapters. */
  restore(): void;
}

/** A model that can replace its layers by ranges of them. Models of @lowrank/models can. */
interface ReplicableModel {
  replicateLayers?(ranges: LayerRanges): Promise<() => void>;
}

/** A model, the adapters that it has, and its former replication. */
interface Target {
  readonly model: Module;
  readonly adapters: ReadonlyMap<string, Adapter>;
  readonly replication: Replication | null;
}

function isRange(value: unknown): boolean {
  if (!isList(value, Number.isInteger)) return false;
  const [start, end, ...more] = value as number[];
  return start >= 0 && start < end && more.length === 0;
}

/**
 * Replaces a model's layers by `ranges` of them, which are the value of `layerReplication` in `config`. Does nothing if
 * an earlier adapter did the same. Throws if the model has adapters for other layers, or if its layers cannot be
 * replaced.
 */
export async function replicate(
  { model, adapters, replication }: Target,
  config: PeftConfig,
  ranges: LayerRanges,
): Promise<Replication> {
  if (!isList(ranges, isRange)) {
    refuse(config, "layerReplication", ranges, "null or a list of ranges [start, end), such as [[0, 4], [2, 6]]");
  }
  if (replication && sameValue(replication.ranges, ranges)) return replication;
  const [name] = adapters.keys();
  if (name !== undefined) {
    const others = replication ? `replicated as ${JSON.stringify(replication.ranges)}` : "not replicated";
    throw new Error(
      `layerReplication replaces the model's layers, but adapter "${name}" is for layers that are ${others}; use another copy of the base model`,
    );
  }
  const { replicateLayers } = model as ReplicableModel;
  if (!replicateLayers) {
    const made = "models that loadModel, loadSequenceClassifier or createModel built";
    throw new Error(`layerReplication: ${model.constructor.name} has no method replicateLayers; use it for ${made}`);
  }
  return { ranges, restore: await replicateLayers(ranges) };
}
