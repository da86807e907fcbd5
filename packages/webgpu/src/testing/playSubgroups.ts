/** Grouping of a workgroup's threads into subgroups by an emulated device. */
export interface Subgroups {
  /** Maximum number of threads in a subgroup. */
  readonly size: number;
  /** True if adjacent threads are in different subgroups. */
  readonly scattered: boolean;
}

const threads = 64;

/**
 * Returns the WGSL of a kernel with 64 threads in which functions in workgroup memory replace the subgroup operations.
 * They emulate subgroups of any size. WGSL without subgroups is returned unchanged.
 */
export function playSubgroups(code: string, { size, scattered }: Subgroups): string {
  if (!code.includes("enable subgroups;")) return code;
  const group = (lane: string) => (scattered ? `(${lane} * 5u + 3u) % ${threads}u / ${size}u` : `${lane} / ${size}u`);
  const played = (name: string, type: string, start: string, join: string, before: string) => `
var<workgroup> ${name}_numbers: array<${type}, ${threads}>;
fn ${name}(v: ${type}) -> ${type} {
  workgroupBarrier();
  ${name}_numbers[playedLane] = v;
  workgroupBarrier();
  var r: ${type} = ${start};
  for (var i = 0u; i < ${before}; i++) {
    if (${group("i")} == ${group("playedLane")}) { let w = ${name}_numbers[i]; r = ${join}; }
  }
  return r;
}`;
  const made = [
    "var<private> playedLane: u32;",
    played("playedSum", "f32", "0.0", "r + w", `${threads}u`),
    played("playedMost", "i32", "-0x7fffffff - 1", "max(r, w)", `${threads}u`),
    played("playedCount", "u32", "0u", "r + w", `${threads}u`),
    played("playedRank", "u32", "0u", "r + w", "playedLane"),
  ].join("\n");
  const text = code
    .replace("enable subgroups;", "")
    .replaceAll("subgroupExclusiveAdd(", "playedRank(")
    .replaceAll("subgroupAdd(1u)", "playedCount(1u)")
    .replaceAll("subgroupAdd(", "playedSum(")
    .replaceAll("subgroupMax(", "playedMost(")
    .replace(/(fn main\([^{]*\{)/, "$1\nplayedLane = lane;");
  return `${text}\n${made}`;
}
