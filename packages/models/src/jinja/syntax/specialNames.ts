/** Variables that the body of a macro can read although they are not parameters. */
const specialNames = ["caller", "kwargs", "varargs"] as const;

/** Returns the special variables that the body of a macro uses: it reads them before it assigns to them. */
export const takenNames = (body: unknown): readonly string[] =>
  specialNames.filter((name) => firstUse(body, name) === "read");

/**
 * Returns whether a part of a template first reads or first writes a variable; undefined if neither. Ignores block
 * tags, which have their own variables.
 */
function firstUse(node: unknown, name: string): "read" | "write" | undefined {
  if (typeof node !== "object" || node === null) return undefined;
  const { type, name: own } = node as { type?: string; name?: string };
  if (type === "block") return undefined;
  if (type === "name" && own === name) return "read";
  for (const [key, part] of Object.entries(node)) {
    const use = key === "names" && (part as string[]).includes(name) ? "write" : firstUse(part, name);
    if (use) return use === "read" && (key === "target" || key === "targets") ? "write" : use;
  }
  return undefined;
}
