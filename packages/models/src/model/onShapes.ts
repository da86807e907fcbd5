import { meta, withBackend } from "@lowrank/core";
import { type Module, Parameter } from "@lowrank/nn";
import type { ParameterSource } from "./parameters.ts";

/** Builds a model whose parameters have shapes but no data, to inspect its structure. */
export function onShapes<M>(build: (source: ParameterSource) => M): M {
  const backend = meta();
  return withBackend(backend, () => build((_name, shape) => new Parameter(backend.tensor({ shape, dtype: "f32" }))));
}

/** An additional name of a tied parameter; `of` is the parameter's first name. */
export interface Tie {
  readonly name: string;
  readonly of: string;
}

/** Returns the additional names of a model's tied parameters, each with the parameter's first name. */
export function tiesOf(model: Module): Tie[] {
  const firstName = new Map(Array.from(model.namedParameters(), ([name, parameter]) => [parameter, name]));
  return [...model.namedParameters({ duplicates: true })].flatMap(([name, parameter]) => {
    const of = firstName.get(parameter) as string;
    return of === name ? [] : [{ name, of }];
  });
}
