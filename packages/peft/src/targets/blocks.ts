import type { Module, ModuleList } from "@lowrank/nn";

/** The names of a decoder's list of blocks. */
const listNames = ["layers", "h"];

/** True for a list of modules. Unlike `instanceof`, this does not load the class in pages without lists. */
const isList = (module: Module): module is ModuleList => Symbol.iterator in module && "length" in module;

/** Returns the path of a decoder's list of blocks, and the list, or null if the model is not a decoder. */
export function blockList(model: Module): [path: string, list: ModuleList] | null {
  for (const [path, module] of model.namedModules()) {
    const [name, ...outer] = path.split(".").reverse();
    if (isList(module) && listNames.includes(name) && outer.length <= 1) return [path, module];
  }
  return null;
}

/** Returns the paths of a decoder's blocks, in order; empty if the model is not a decoder. */
export function blocksOf(model: Module): string[] {
  const [path, list] = blockList(model) ?? ["", { length: 0 }];
  return Array.from({ length: list.length }, (_, i) => `${path}.${i}`);
}
