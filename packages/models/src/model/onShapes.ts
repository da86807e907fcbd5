import { meta, withBackend } from "@lowrank/core";
import { type Module, Parameter } from "@lowrank/nn";
import type { ParameterSource } from "./parameters.ts";

/** Builds a model over shapes. */
export function onShapes<M>(build: (source: ParameterSource) => M): M {
  const backend = meta();
  return withBackend(backend, () => build((_name, shape) => new Parameter(backend.tensor({ shape, dtype: "f32" }))));
}

/** A name under which a parameter stands a second time, and the one that it stands under first. */
export interface Tie {
  readonly name: string;
  readonly of: string;
}

/** Returns the names under which parameters of a model stand again. */
export function tiesOf(model: Module): Tie[] {
  const firstName = new Map(Array.from(model.namedParameters(), ([name, parameter]) => [parameter, name]));
  return [...model.namedParameters({ duplicates: true })].flatMap(([name, parameter]) => {
    const of = firstName.get(parameter) as string;
    return of === name ? [] : [{ name, of }];
  });
}
