import { entry, type Groups, spread } from "../kernel/shader.ts";

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

/** Number of threads that share a row, unless the row is short. */
const together = 64;

/** Maximum elements of a short row, which one thread processes alone. */
const few = 32;

/** Returns true if a row of `n` elements is short enough for one thread. */
export const isShort = (n: number): boolean => n <= few;

/** Returns the workgroup counts for `rows` rows. `alone`: one thread per row instead of one workgroup. */
export function rowGroups(rows: number, alone: boolean): Groups {
  return spread(rows, alone ? together : 1);
}

/**
 * WGSL of a kernel that works row by row. `body` can read the index `row`. A row has `width` threads; thread `part`
 * takes elements `part`, `part + width`, `part + 2 width` ... `total(part, v)` and `most(part, v)` return the sum and
 * the maximum of v over the row's threads, always in the same order. `before(part, v)` returns two sums of v: over the
 * threads before this one, and over all. With `alone`, a row has one thread. With `subgroups`, reductions use subgroup
 * operations.
 */
export function rowsCode(subgroups: boolean, alone: boolean, body: string): string {
  if (alone) {
    return `const width = 1u;
fn total(part: u32, v: f32) -> f32 { return v; }
fn most(part: u32, v: i32) -> i32 { return v; }
fn before(part: u32, v: f32) -> vec2f { return vec2f(0.0, v); }
${entry(together, `  let row = index;\n  let part = 0u;\n  if (row >= u.rows) { return; }\n${body}`)}`;
  }
  return `const width = ${together}u;
${joinCode(together, subgroups, [
  { ...sumJoin, name: "total" },
  { ...mostJoin, name: "most" },
])}
fn before(part: u32, v: f32) -> vec2f {
  workgroupBarrier();
  total_parts[part] = v;
  workgroupBarrier();
  var sum = vec2f(0.0);
  for (var i = 0u; i < width; i++) {
    if (i == part) { sum.x = sum.y; }
    sum.y += total_parts[i];
  }
  return sum;
}
${entry(together, `  ${joinBegin(subgroups)}\n  let row = groupIndex;\n  let part = lane;\n  if (row >= u.rows) { return; }\n${body}`)}`;
}
