import type { TargetReport } from "@lowrank/peft";

/** Returns lines about an adapter's targets: the modules that matched, and names without a match. */
export function describeTargets(report: TargetReport | null): string[] {
  if (report === null) return ["no adapter is active"];
  if (report.matched.length === 0) return ["adapter on no module: virtual tokens come before sequences"];
  const lines = [`adapter on ${report.matched.length} modules: ${byLastName(report.matched)}`];
  if (report.excluded.length > 0) lines.push(`targeted but excluded: ${report.excluded.join(", ")}`);
  const unused = [...report.unmatchedTargets, ...report.unusedPatterns];
  if (unused.length > 0) lines.push(`matched nothing: ${unused.join(", ")}`);
  return lines;
}

/** Counts module paths by their last component, as in "5 q_proj, 5 v_proj". */
function byLastName(paths: readonly string[]): string {
  const counts = new Map<string, number>();
  for (const path of paths) {
    const name = path.slice(path.lastIndexOf(".") + 1);
    counts.set(name, (counts.get(name) ?? 0) + 1);
  }
  return Array.from(counts, ([name, count]) => `${count} ${name}`).join(", ");
}
