/** A reduction of the threads' values to one. */
export interface Join {
  /** The name of its function. */
  readonly name: string;
  readonly type: "f32" | "i32";
  /** WGSL of the neutral value, and of two values joined. */
  readonly none: string;
  readonly of: (a: string, b: string) => string;
  readonly subgroup: "subgroupAdd" | "subgroupMax";
}

/** Sum. */
export const sumJoin: Omit<Join, "name"> = {
  type: "f32",
  none: "0.0",
  of: (a, b) => `${a} + ${b}`,
  subgroup: "subgroupAdd",
};

/** Maximum of integers. */
export const mostJoin: Omit<Join, "name"> = {
  type: "i32",
  none: "-0x7fffffff - 1",
  of: (a, b) => `max(${a}, ${b})`,
  subgroup: "subgroupMax",
};

/**
 * WGSL of `name(part, v)` for each reduction: joins the values of a workgroup's `threads` threads, always in the same
 * order, and returns the result to all of them. All threads of a workgroup must call it.
 *
 * With `subgroups` each subgroup joins its values and writes the result at its first thread's index; then each thread
 * joins all indices. It works for any size of subgroups and any order of threads in them; `joinBegin` must have run.
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

/** WGSL: the rank of a thread in its subgroup, and the subgroup's size. */
export const laneCode = "var<private> laneRank: u32;\nvar<private> laneCount: u32;\n";

/** WGSL for the start of `main` that counts the threads of a subgroup. */
export const joinBegin = (subgroups: boolean): string =>
  subgroups ? "laneRank = subgroupExclusiveAdd(1u); laneCount = subgroupAdd(1u);" : "";
