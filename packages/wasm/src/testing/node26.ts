import { spawnSync } from "node:child_process";
import { existsSync } from "node:fs";
import { join } from "node:path";
import { expect } from "vitest";

const node26 = join(import.meta.dirname, "../../../../bench/node_modules/node-26/bin/node");

/** True if the benchmarks have installed Node 26. */
export const hasNode26: boolean = existsSync(node26);

/** Runs a program under Node 26, in this folder, and returns what it printed. */
export function runInNode26(program: string, ...flags: string[]): string {
  const { stdout, stderr, status } = spawnSync(node26, [...flags, "--input-type=module", "--eval", program], {
    cwd: import.meta.dirname,
    encoding: "utf8",
    timeout: 60_000,
  });
  expect({ stderr, status }).toEqual({ stderr: "", status: 0 });
  return stdout;
}
