import type { Reporter, TestModule, TestRunEndReason } from "vitest/node";
import { parseCLI, startVitest } from "vitest/node";
import type { Tally } from "./tally.ts";

/** Counts tests, and as failures also what belongs to no test: a file that cannot load, a hook, an error nobody handles. */
class Count implements Reporter {
  readonly tally: Tally = { passed: 0, failed: 0 };
  readonly skipped: string[] = [];

  onTestRunEnd(modules: readonly TestModule[], unhandled: readonly unknown[], reason: TestRunEndReason): void {
    this.tally.failed += unhandled.length;
    for (const module of modules) this.add(module);
    if (reason !== "passed" && this.tally.failed === 0) this.tally.failed = 1;
  }

  private add(module: TestModule): void {
    this.tally.failed += module.errors().length;
    for (const suite of module.children.allSuites()) this.tally.failed += suite.errors().length;
    for (const test of module.children.allTests()) {
      const result = test.result();
      if (result.state === "passed") this.tally.passed++;
      else if (result.state === "failed") this.tally.failed++;
      else {
        const note = result.state === "skipped" && result.note ? ` (${result.note})` : "";
        this.skipped.push(`[${test.project.name}] ${module.relativeModuleId} > ${test.fullName}${note}`);
      }
    }
  }
}

/** Runs the test files named by `args` (all when empty, with Vitest's options) once and counts what came out. */
export async function runVitest(args: string[]): Promise<{ tally: Tally; skipped: string[] }> {
  const { filter, options } = parseCLI(["vitest", "run", ...args]);
  const count = new Count();
  const vitest = await startVitest(filter, { ...options, watch: false, reporters: ["default", count] });
  await vitest.close();
  return { tally: count.tally, skipped: count.skipped };
}
