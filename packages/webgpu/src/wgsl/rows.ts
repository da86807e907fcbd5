import { entry, type Groups, spread } from "../kernel/shader.ts";
import { joinBegin, joinCode, mostJoin, sumJoin } from "./joins.ts";

/** Threads that share a row. */
const together = 64;

/** A row of at most this many elements is processed by one thread. */
const few = 32;

/** Returns true if rows of `n` elements are short enough for one thread each. */
export const isShort = (n: number): boolean => n <= few;

/** Returns the workgroups for `rows` rows. */
export function rowGroups(rows: number, alone: boolean): Groups {
  return spread(rows, alone ? together : 1);
}

/**
 * WGSL of a kernel that works row by row. The body can use `row`, which is below the uniform `rows`. A row has `width`
 * threads; each takes the elements `part`, `part + width`, `part + 2 width` and further. The threads join their values
 * by `total(part, sum)` and `most(part, order)`, always in the same order. `before(part, v)` returns the sum of the
 * threads before, and of all. With `subgroups` they join by subgroup operations.
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
