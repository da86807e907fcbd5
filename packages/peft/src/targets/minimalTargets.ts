/** The number of targets from which PEFT replaces names by shorter ones. */
const leastNames = 20;

/** Returns all ends of a path that begin at a name, the shortest first: "c", "b.c" and "a.b.c" for "a.b.c". */
function endsOf(path: string): string[] {
  const parts = path.split(".");
  return parts.map((_, i) => parts.slice(parts.length - 1 - i).join("."));
}

/** Compares two lists of texts as Python does: by the first texts that differ, then by length. */
function compareLists(a: readonly string[], b: readonly string[]): number {
  for (const [i, text] of a.entries()) {
    if (b[i] === undefined) return 1;
    if (text !== b[i]) return text < b[i] ? -1 : 1;
  }
  return a.length - b.length;
}

/**
 * Returns the shortest ends of the target names that match no other module of the model, as PEFT does for a list of at
 * least 20 names: "q_proj" instead of "model.layers.0.self_attn.q_proj". Returns shorter lists unchanged. `paths` are
 * the paths of all modules. For methods whose layers share tensors if they have the same target.
 */
export function minimalTargets(names: readonly string[], paths: readonly string[]): readonly string[] {
  const wanted = [...new Set(names)];
  if (wanted.length < leastNames) return names;
  const isTarget = (path: string) => wanted.includes(path) || wanted.some((name) => path.endsWith(`.${name}`));
  const others = new Set(paths.filter((path) => !isTarget(path)).flatMap(endsOf));
  const shortened: string[] = [];
  const sorted = wanted.map((name) => [name, endsOf(name)] as const).sort(([, a], [, b]) => compareLists(a, b));
  for (const [name, ends] of sorted) {
    if (shortened.some((end) => name.endsWith(`.${end}`))) continue;
    const free = ends.find((end) => !shortened.includes(end) && !others.has(end));
    if (free !== undefined) shortened.push(free);
  }
  return shortened.length > 0 && shortened.length < wanted.length ? shortened : names;
}
