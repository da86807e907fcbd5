/** A reduction of one value per thread to a single value, such as a sum. */
export interface Join {
  /** The name of the WGSL function that computes this reduction. */
  readonly name: string;
  readonly type: "f32" | "i32";
  /** `none` is WGSL of the neutral value; `of` returns WGSL that reduces two values to one. */
  readonly none: string;
  readonly of: (a: string, b: string) => string;
  readonly subgroup: "subgroupAdd" | "subgroupMax";
}

/** Sum of f32 values. */
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
 * Returns a WGSL function `name(part, v)` for each reduction. It reduces the values `v` of all `threads` threads of a
 * workgroup, always in the same order, and returns the result to every thread. All threads must call it.
 *
 * With `subgroups`, each subgroup reduces its values and writes the result at the index of its first thread; then each
 * thread reduces those results. This works for any subgroup size and any order of threads; the code of `joinBegin` must
 * have run.
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

/** WGSL variables: the rank of a thread in its subgroup, and the size of the subgroup. */
export const laneCode = "var<private> laneRank: u32;\nvar<private> laneCount: u32;\n";

/** WGSL for the start of `main` that sets the variables of `laneCode`; "" without subgroups. */
export const joinBegin = (subgroups: boolean): string =>
  subgroups ? "laneRank = subgroupExclusiveAdd(1u); laneCount = subgroupAdd(1u);" : "";
