import { spawnSync } from "node:child_process";
import { resolve } from "node:path";
import { findChromium } from "@lowrank/test-support/chromium";
import { expect, it } from "vitest";

it.skipIf(findChromium() === undefined)(
  "a project whose page goes away is said to have ended early, with the files that did not run",
  () => {
    const { VITEST: _, ...env } = process.env;
    const script = resolve(import.meta.dirname, "run.ts");
    const args = [script, "--config", "tests/runner/browser/fixtures/early/vitest.config.ts"];
    const { status, stdout } = spawnSync(process.execPath, args, {
      cwd: resolve(import.meta.dirname, "../.."),
      env,
      encoding: "utf8",
    });
    const lines = stdout.trimEnd().split("\n");
    const folder = "tests/runner/browser/fixtures/early";
    const files = ["closesPage", "second", "third"].map((name) => `${folder}/${name}.test.ts`);
    const [said] = lines.filter((line) => line.startsWith("[browser] ended early: 3 of 3 files did not run: "));
    for (const file of files) expect(said).toContain(file);
    expect(lines.at(-1)).toMatch(/^0 passed, [4-9] failed$/);
    expect(status).toBe(1);
  },
  120_000,
);
