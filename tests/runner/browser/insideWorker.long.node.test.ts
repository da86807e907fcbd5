import { spawnSync } from "node:child_process";
import { mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { basename, join, resolve } from "node:path";
import { findChromium } from "@lowrank/test-support/chromium";
import { expect, it, onTestFinished } from "vitest";

interface JsonReport {
  testResults: {
    name: string;
    assertionResults: { fullName: string; status: string; failureMessages: string[] }[];
  }[];
}

it.skipIf(findChromium() === undefined)(
  "tests in a Web Worker pass, fail and skip by their own names",
  () => {
    const root = resolve(import.meta.dirname, "../../..");
    const folder = mkdtempSync(join(tmpdir(), "lowrank-worker-"));
    onTestFinished(() => rmSync(folder, { recursive: true }));
    const outputFile = join(folder, "report.json");
    const { VITEST: _, ...env } = process.env;
    const args = [
      "run",
      "--config",
      "tests/runner/browser/fixtures/vitest.config.ts",
      "--reporter=json",
      `--outputFile=${outputFile}`,
    ];
    const vitest = resolve(root, "node_modules/vitest/vitest.mjs");
    const { status } = spawnSync(process.execPath, [vitest, ...args], { cwd: root, env });
    const report: JsonReport = JSON.parse(readFileSync(outputFile, "utf8"));
    const results = report.testResults.flatMap(({ name, assertionResults }) => {
      return assertionResults.map((test) => [
        `${basename(name)}: ${test.fullName}`,
        `${test.status} ${test.failureMessages[0] ?? ""}`,
      ]);
    });
    const load = "the file loads and leaves no error behind";
    expect(Object.fromEntries(results)).toEqual({
      "mixed.test.ts: mixed runs in a Web Worker that may share memory": "passed ",
      "mixed.test.ts: mixed fails an assertion": expect.stringContaining(
        "failed AssertionError: expected 'DedicatedWorker",
      ),
      "mixed.test.ts: mixed skips itself, to be counted as skipped": "skipped ",
      "mixed.test.ts: mixed counts assertions": expect.stringContaining("number of assertions to be 1, but got 0"),
      "mixed.test.ts: hooks suite hooks": expect.stringContaining("the hook fails"),
      "mixed.test.ts: hooks never runs": "skipped ",
      [`broken.test.ts: ${load}`]: expect.stringContaining("the file cannot be loaded"),
      [`stray.test.ts: ${load}`]: expect.stringContaining("nobody handles this"),
      "stray.test.ts: leaves a rejection that nobody handles": "passed ",
      [`thrower.test.ts: ${load}`]: expect.stringContaining("thrown by a timer"),
      "thrower.test.ts: ends before its timer throws": "passed ",
    });
    expect(status).toBe(1);
  },
  120_000,
);
