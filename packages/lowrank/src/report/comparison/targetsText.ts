import type { FailedMethod, MethodComparison, MethodRow } from "./methodComparison.ts";

/** Formats target modules for a table or a label: "q_proj, v_proj" or "all-linear". Null if there are none. */
export function targetsText({ targets }: Pick<MethodRow | FailedMethod, "targets">): string | null {
  return typeof targets === "string" ? targets : (targets?.join(", ") ?? null);
}

/** Returns true if one method of a comparison has several targets, in rows or in failures. */
export function variesTargets({ rows, failed }: Pick<MethodComparison, "rows" | "failed">): boolean {
  const first = new Map<string, string | null>();
  return [...rows, ...failed].some((method) => {
    const text = targetsText(method);
    if (!first.has(method.name)) first.set(method.name, text);
    return first.get(method.name) !== text;
  });
}
