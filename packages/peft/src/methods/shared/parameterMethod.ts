import type { Module, UnaryModule } from "@lowrank/nn";
import type { PeftConfig } from "../../config/peftConfig.ts";
import type { ActiveAdapter } from "../../layers/activeAdapter.ts";
import type { LayerAdapter, TunerLayer } from "../../layers/tunerLayer.ts";
import type { FoundParameters } from "../../targets/parameterTargets.ts";
import type { LayerContext } from "./method.ts";
import type { FloatDType } from "./methodFacts.ts";

/** Values that a method receives to create its adapters of stacked parameters of routed experts. */
export interface ParameterContext extends Pick<LayerContext<PeftConfig>, "backend" | "generator" | "loading"> {
  /** Returns the dtype in which to store the tensor with this file key, without the prefix of all keys. */
  dtypeOf(key: string): FloatDType;
}

/** A module of the base model and the adapter that it gets. */
export interface PlannedLayer {
  readonly path: string;
  readonly base: UnaryModule;
  readonly layer: LayerAdapter;
  /** Creates the module's wrapper. Default: a `TunerLayer`. */
  wrap?(active: ActiveAdapter): TunerLayer;
}

/** Finds the parameters that one new adapter changes, and creates their adapters. */
export interface ParameterPlan {
  /** The paths that files contain for layers, if they differ from the layers' paths. Complete after `layers`. */
  readonly filePaths: ReadonlyMap<string, string>;
  /** Finds the parameters in a model without wrappers. `modules` are the model's modules by path. */
  find(
    model: Module,
    config: PeftConfig,
    modules: readonly (readonly [string, Module])[],
    defaultTargets: Readonly<Record<string, readonly string[]>>,
  ): FoundParameters;
  /** Returns the layers that get the adapters of stacked parameters. Call it after `find`. */
  layers(context: ParameterContext): readonly PlannedLayer[];
}
