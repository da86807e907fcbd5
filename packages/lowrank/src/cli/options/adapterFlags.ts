import { type AnyMethod, type MethodOption, optionsOf, recipesOf } from "@lowrank/peft";
import { offeredMethods } from "../../report/methods.ts";

/** A flag that sets a field of adapter configurations, and the methods that support it. */
export interface AdapterFlag {
  /** Name of the flag without its dashes. */
  readonly flag: string;
  readonly type: MethodOption["type"];
  readonly takers: readonly { readonly method: AnyMethod; readonly option: MethodOption }[];
}

/**
 * Types of the flags that set a field of `RecipeSettings`, by flag. All recipes (presets of adapter methods) share
 * these settings; other flags set only a field of one method's configuration.
 */
const settingTypes: Readonly<Record<string, MethodOption["type"]>> = {
  r: "integer",
  "target-modules": "targets",
  "virtual-tokens": "integer",
};

/**
 * Returns the flags of all registered methods, in the order of the methods. Throws if two methods share a flag with
 * different types.
 */
export function adapterFlags(): readonly AdapterFlag[] {
  const flags = new Map<string, AdapterFlag>();
  for (const method of offeredMethods().filter((method) => recipesOf(method).length > 0)) {
    for (const option of optionsOf(method)) {
      const { flag, type } = option;
      const before = flags.get(flag);
      const wanted = before?.type ?? settingTypes[flag] ?? type;
      if (type !== wanted) {
        const owner = before ? ` in ${before.takers[0].method.peftType}` : "";
        throw new Error(
          `${method.peftType}: its option --${flag} has the type ${type}, but --${flag}${owner} has the type ${wanted}; use another flag`,
        );
      }
      if (!/^(?!no-)[a-z][a-z0-9]*(-[a-z0-9]+)*$/.test(flag)) {
        throw new Error(
          `${method.peftType}: "${flag}" cannot be a flag; use lower-case letters with dashes between words, and do not begin with "no-"`,
        );
      }
      flags.set(flag, { flag, type, takers: [...(before?.takers ?? []), { method, option }] });
    }
  }
  return [...flags.values()];
}

/** Returns true if a flag, without its dashes, sets a field of `RecipeSettings`: "target-modules", for example. */
export function isSetting(flag: string): boolean {
  return Object.hasOwn(settingTypes, flag);
}

/** Returns the name under which commander stores a flag's value. */
export function attributeOf(flag: string): string {
  return flag.replace(/-([a-z0-9])/g, (_, letter: string) => letter.toUpperCase());
}
