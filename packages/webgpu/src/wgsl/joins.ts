/** A way in which threads join their numbers to one. */
export interface Join {
  /** The name of its function. */
  readonly name: string;
  readonly type: "f32" | "i32";
  /** WGSL of the number that changes none, and of two joined ones. */
  readonly none: string;
  readonly of: (a: string, b: string) => string;
  readonly subgroup: "subgroupAdd" | "subgroupMax";
}

/** Sums. */
export const sumJoin: Omit<Join, "name"> = {
  type: "f32",
  none: "0.0",
  of: (a, b) => `${a} + ${b}`,
  subgroup: "subgroupAdd",
};

/** The largest of integers. */
export const mostJoin: Omit<Join, "name"> = {
  type: "i32",
  none: "-0x7fffffff - 1",
  of: (a, b) => `max(${a}, ${b})`,
  subgroup: "subgroupMax",
};

/**
 * WGSL with `name(part, v)` for each of the ways: it joins the numbers of a workgroup's threads,
 * `part` of `threads`, in one order each time, and gives all of them the result. Workgroups call it
 * as a whole.
 *
 * With `subgroups` each subgroup joins its own numbers and leaves the result at its first thread's
 * place; then each of them joins all places. It asks neither for a size of subgroups nor for an
 * order of threads in them; `joinBegin` must have run.
 */
export function joinCode(threads: number, subgroups: boolean, joins: readonly Join[]): string {
  const made = joins.map(({ name, type, none, of, subgroup }) => {
    const memory = `${name}_parts`;
    const head = `var<workgroup> ${memory}: array<${type}, ${threads}>;
fn ${name}(part: u32, v: ${type}) -> ${type} {`;
    if (!subgroups) {
      return `${head}
  workgroupBarrier();
  ${memory}[part] = v;
  for (var half = ${threads / 2}u; half > 0u; half >>= 1u) {
    workgroupBarrier();
    if (part < half) { ${memory}[part] = ${of(`${memory}[part]`, `${memory}[part + half]`)}; }
  }
  workgroupBarrier();
  return ${memory}[0];
}`;
    }
    return `${head}
  let own = ${subgroup}(v);
  workgroupBarrier();
  ${memory}[part] = select(${none}, own, laneRank == 0u);
  workgroupBarrier();
  var joined: ${type} = ${none};
  for (var i = laneRank; i < ${threads}u; i += laneCount) { joined = ${of("joined", `${memory}[i]`)}; }
  return ${subgroup}(joined);
}`;
  });
  return `${subgroups ? laneCode : ""}${made.join("\n")}`;
}

/** WGSL: the place of a thread among those of its subgroup, and their number. */
export const laneCode = "var<private> laneRank: u32;\nvar<private> laneCount: u32;\n";

/** WGSL at the begin of `main`: counts the threads of a subgroup. */
export const joinBegin = (subgroups: boolean): string =>
  subgroups ? "laneRank = subgroupExclusiveAdd(1u); laneCount = subgroupAdd(1u);" : "";
