import { type Module, Parameter } from "@lowrank/nn";

/** A property of a module whose value is a parameter: property `key` of the module `owner`. */
export interface Place {
  owner: Module;
  key: string;
}

/**
 * Two alternative values of a parameter: `off` (the original) and `on` (the replacement). The model uses one of them. A
 * tied parameter is a property of several modules (`places`), which all change together.
 */
export class Swap {
  readonly places: readonly Place[];
  readonly off: Parameter | null;
  readonly on: Parameter;

  /** Records the parameter's current value as `off`. Does not change the model. */
  constructor(places: readonly Place[], on: Parameter) {
    this.places = places;
    this.off = valueAt(places[0]);
    this.on = on;
  }

  /** Puts the `on` value (true) or the `off` value (false) into the model. */
  set(on: boolean): void {
    for (const { owner, key } of this.places) setValue({ owner, key }, on ? this.on : this.off);
  }
}

/** Returns the parameter that is the value of a property; null if there is none. */
export function valueAt({ owner, key }: Place): Parameter | null {
  return (owner as unknown as Record<string, Parameter | null>)[key] ?? null;
}

/** Assigns a parameter, or null, to a property. */
export function setValue({ owner, key }: Place, value: Parameter | null): void {
  (owner as unknown as Record<string, Parameter | null>)[key] = value;
}

/**
 * Returns, for each parameter of a model, all module properties that hold it. A tied parameter has several. Pass
 * `modules` if you have already listed the model's modules.
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
