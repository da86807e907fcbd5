/** Variables that the body of a macro can read although they are not parameters. */
const specialNames = ["caller", "kwargs", "varargs"] as const;

/**
 * Returns which of `caller`, `kwargs` and `varargs` the body of a macro uses, that is, reads before it assigns to them.
 */
export const takenNames = (body: unknown): readonly string[] =>
  specialNames.filter((name) => firstUse(body, name) === "read");

/**
 * Returns whether a part of a template reads a variable first or writes it first; undefined if it does neither. Skips
 * `{% block %}` tags, which have their own variables.
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
