import { type Module, Parameter } from "@lowrank/nn";

/** A property of a module. */
export interface Place {
  owner: Module;
  key: string;
}

/**
 * Two values of one parameter, tied ones in all their places; exactly one of
 * them stands in the model.
 */
export class Swap {
  readonly places: readonly Place[];
  readonly off: Parameter | null;
  readonly on: Parameter;

  /** `off` is the value that is there now. */
  constructor(places: readonly Place[], on: Parameter) {
    this.places = places;
    this.off = valueAt(places[0]);
    this.on = on;
  }

  /** Puts one of the two in place. */
  set(on: boolean): void {
    for (const { owner, key } of this.places) setValue({ owner, key }, on ? this.on : this.off);
  }
}

/** The parameter at a place. */
export function valueAt({ owner, key }: Place): Parameter | null {
  return (owner as unknown as Record<string, Parameter | null>)[key] ?? null;
}

/** Sets the parameter at a place. */
export function setValue({ owner, key }: Place, value: Parameter | null): void {
  (owner as unknown as Record<string, Parameter | null>)[key] = value;
}

/**
 * Every place where each parameter of a model stands: more than one where it is tied. `modules` are
 * those of the model, where they were listed already.
 */
export function placesOf(
  model: Module,
  modules: Iterable<readonly [string, Module]> = model.namedModules(),
): Map<Parameter, Place[]> {
  const places = new Map<Parameter, Place[]>();
  for (const [, owner] of modules) {
    for (const [key, parameter] of Object.entries(owner)) {
      if (!(parameter instanceof Parameter)) continue;
      const known = places.get(parameter);
      if (known) known.push({ owner, key });
      else places.set(parameter, [{ owner, key }]);
    }
  }
  return places;
}
