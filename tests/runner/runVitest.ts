import { relative } from "node:path";
import type { Tally } from "@lowrank/test-support/tally";
import { parseCLI, type Reporter, startVitest, type TestModule, type TestSpecification } from "vitest/node";

/** The outcome of a run: its count, tests that skipped themselves, and projects that ended before their last file. */
export interface TestRun {
  tally: Tally;
  skipped: string[];
  /** One sentence for each project that ended early. */
  endedEarly: string[];
}

const namesShown = 10;

/**
 * Runs the test files named by `args` (all if empty, with Vitest's options) once and counts the results. These also
 * count as failures: a file that cannot load or never ran, a failed hook, and an unhandled error.
 */
export async function runVitest(args: string[]): Promise<TestRun> {
  const { filter, options } = parseCLI(["vitest", "run", ...args]);
  const run: TestRun = { tally: { passed: 0, failed: 0 }, skipped: [], endedEarly: [] };
  let planned: readonly TestSpecification[] = [];
  const count: Reporter = {
    onTestRunStart: (specifications) => {
      planned = specifications;
    },
    onTestRunEnd: (modules, unhandled, reason) => {
      run.tally.failed += unhandled.length;
      for (const module of modules) addModule(module, run);
      for (const [project, files] of Map.groupBy(planned, ({ project }) => project.name)) addLost(project, files, run);
      if (reason !== "passed" && run.tally.failed === 0) run.tally.failed = 1;
    },
  };
  const vitest = await startVitest(filter, { ...options, watch: false, reporters: ["default", count] });
  await vitest.close();
  return run;
}

function addModule(module: TestModule, { tally, skipped }: TestRun): void {
  tally.failed += module.errors().length;
  for (const suite of module.children.allSuites()) tally.failed += suite.errors().length;
  for (const test of module.children.allTests()) {
    const result = test.result();
    if (result.state === "passed" || result.state === "failed") tally[result.state]++;
    else if (result.state === "skipped") {
      const note = result.note ? ` (${result.note})` : "";
      skipped.push(`[${test.project.name}] ${module.relativeModuleId} > ${test.fullName}${note}`);
    }
  }
}

/** Counts the files of a project that did not run to their end. */
function addLost(project: string, files: readonly TestSpecification[], { tally, endedEarly }: TestRun): void {
  const lost = files.filter(({ testModule }) => !["passed", "failed", "skipped"].includes(`${testModule?.state()}`));
  if (lost.length === 0) return;
  tally.failed += lost.length;
  const names = lost.slice(0, namesShown).map((file) => relative(file.project.config.root, file.moduleId));
  const more = lost.length > namesShown ? `, and ${lost.length - namesShown} more` : "";
  endedEarly.push(
    `[${project}] ended early: ${lost.length} of ${files.length} files did not run: ${names.join(", ")}${more}`,
  );
}
