import type { LayerKind, Module } from "@lowrank/nn";
import type { Warning } from "../config/warning.ts";
import { candidates, suggest, type TargetReport } from "./matchTargets.ts";

/** Returns warnings for the names and patterns in a report that matched nothing. */
export function targetWarnings(model: Module, report: TargetReport, kinds: readonly LayerKind[]): Warning[] {
  const warnings: Warning[] = [];
  if (report.unmatchedTargets.length > 0) {
    const hint = suggest(report.unmatchedTargets, candidates(model, kinds));
    const names = report.unmatchedTargets.join(", ");
    const message = `targetModules: nothing is named ${names}; ${hint}the others are adapted`;
    warnings.push({ code: "unmatched-target", message });
  }
  if (report.unusedPatterns.length > 0) {
    const message = `these match no target: ${report.unusedPatterns.join(", ")}`;
    warnings.push({ code: "unused-pattern", message });
  }
  return warnings;
}
