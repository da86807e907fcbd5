import * as core from "@lowrank/core";
import * as nn from "@lowrank/nn";
import { expect, test } from "vitest";
import * as lowrank from "./index.ts";

/** Values that packages export for each other, and that `lowrank` does not export. */
const shared: Record<string, string[]> = {
  core: [],
  nn: [],
};

test.each(Object.entries({ core, nn }))("every value of %s is public or named above", (name, exported) => {
  const own = shared[name] as string[];
  const missing = Object.keys(exported).filter((key) => !(key in lowrank) && !own.includes(key));
  expect(missing, `export them in packages/lowrank/src/index.ts, or name them here`).toEqual([]);
  expect(own.filter((key) => !(key in exported) || key in lowrank)).toEqual([]);
});
