import { entry, type Groups, spread } from "../kernel/shader.ts";
import { joinBegin, joinCode, mostJoin, sumJoin } from "./joins.ts";

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
 * the maximum over the row's threads, always in the same order. `before(part, v)` returns the sum over the threads
 * before this one, and over all. With `alone`, a row has one thread; with `subgroups`, reductions use subgroup
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
