import type { Tally } from "@lowrank/test-support/tally";
import type { Reporter, TestModule, TestSpecification } from "vitest/node";
import { parseCLI, startVitest } from "vitest/node";

/** The outcome of a run: its count, tests that skipped themselves, and projects that ended before their last file. */
export interface TestRun {
  tally: Tally;
  skipped: string[];
  /** One sentence for each project that ended early. */
  endedEarly: string[];
}

const namesShown = 10;

/**
 * Counts tests. These also count as failures: a file that cannot load or never ran, a failed hook, and an unhandled
 * error.
 */
class Count implements Reporter {
  readonly run: TestRun = { tally: { passed: 0, failed: 0 }, skipped: [], endedEarly: [] };
  /** The files that should run, by project: from their full path to the displayed one. */
  readonly #awaited = new Map<string, Map<string, string>>();
  readonly #planned = new Map<string, number>();

  onTestRunStart(specifications: readonly TestSpecification[]): void {
    for (const { project, moduleId, testModule } of specifications) {
      const files = this.#awaited.get(project.name) ?? new Map<string, string>();
      files.set(moduleId, testModule?.relativeModuleId ?? moduleId.replace(`${project.config.root}/`, ""));
      this.#awaited.set(project.name, files);
      this.#planned.set(project.name, files.size);
    }
  }

  onTestRunEnd(modules: readonly TestModule[], unhandled: readonly unknown[], reason: string): void {
    const { tally, endedEarly } = this.run;
    tally.failed += unhandled.length;
    for (const module of modules) this.#add(module);
    for (const [project, files] of this.#awaited) {
      if (files.size === 0) continue;
      tally.failed += files.size;
      const names = [...files.values()].slice(0, namesShown).join(", ");
      const more = files.size > namesShown ? `, and ${files.size - namesShown} more` : "";
      const planned = this.#planned.get(project);
      endedEarly.push(`[${project}] ended early: ${files.size} of ${planned} files did not run: ${names}${more}`);
    }
    if (reason !== "passed" && tally.failed === 0) tally.failed = 1;
  }

  #add(module: TestModule): void {
    const { tally, skipped } = this.run;
    if (["passed", "failed", "skipped"].includes(module.state())) {
      this.#awaited.get(module.project.name)?.delete(module.moduleId);
    }
    tally.failed += module.errors().length;
    for (const suite of module.children.allSuites()) tally.failed += suite.errors().length;
    for (const test of module.children.allTests()) {
      const result = test.result();
      if (result.state === "passed") tally.passed++;
      else if (result.state === "failed") tally.failed++;
      else if (result.state === "skipped") {
        const note = result.note ? ` (${result.note})` : "";
        skipped.push(`[${test.project.name}] ${module.relativeModuleId} > ${test.fullName}${note}`);
      }
    }
  }
}

/** Runs the test files named by `args` (all if empty, with Vitest's options) once and counts the results. */
export async function runVitest(args: string[]): Promise<TestRun> {
  const { filter, options } = parseCLI(["vitest", "run", ...args]);
  const count = new Count();
  const vitest = await startVitest(filter, { ...options, watch: false, reporters: ["default", count] });
  await vitest.close();
  return count.run;
}
