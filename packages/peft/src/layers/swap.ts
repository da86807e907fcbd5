import { type Module, Parameter } from "@lowrank/nn";

/** A property of a module. */
export interface Place {
  owner: Module;
  key: string;
}

/** Two values of one parameter (tied: in all its modules). Exactly one of them is in the model. */
export class Swap {
  readonly places: readonly Place[];
  readonly off: Parameter | null;
  readonly on: Parameter;

  /** Keeps the current value of the parameter as `off`. */
  constructor(places: readonly Place[], on: Parameter) {
    this.places = places;
    this.off = valueAt(places[0]);
    this.on = on;
  }

  /** Sets `on` or `off` into the model. */
  set(on: boolean): void {
    for (const { owner, key } of this.places) setValue({ owner, key }, on ? this.on : this.off);
  }
}

/** Returns the parameter in a property, or null. */
export function valueAt({ owner, key }: Place): Parameter | null {
  return (owner as unknown as Record<string, Parameter | null>)[key] ?? null;
}

/** Sets the parameter in a property. */
export function setValue({ owner, key }: Place, value: Parameter | null): void {
  (owner as unknown as Record<string, Parameter | null>)[key] = value;
}

/**
 * Returns all properties that contain each parameter of a model: several if it is tied. Pass `modules` if the model's
 * modules are already listed.
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
