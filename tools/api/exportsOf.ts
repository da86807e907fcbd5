/** A name that a module exports. Types are exported by `type`. */
export interface Export {
  readonly name: string;
  readonly isType: boolean;
}

const statement = /^export (type )?(?:\{([^}]*)\}|\* as (\w+)) from "[^"]+";$/gm;

/** Returns the exports of an entry's source. Throws unless each statement is a list of names from another module. */
export function exportsOf(path: string, source: string): Export[] {
  const listed = [...source.matchAll(statement)];
  if (listed.length !== source.match(/^export\b/gm)?.length) {
    throw new Error(`${path}: an entry may only have statements of the form export { names } from "./module.ts"`);
  }
  return listed.flatMap(([, type, names = "", namespace]) => {
    if (namespace !== undefined) return [{ name: namespace, isType: type !== undefined }];
    const specifiers = names.split(",").map((text) => text.trim());
    return specifiers
      .filter((text) => text !== "")
      .map((text) => ({
        name: text.replace(/^type /, "").replace(/^.* as /, ""),
        isType: type !== undefined || text.startsWith("type "),
      }));
  });
}
