import { expect, it } from "vitest";
import { nodeVersionError } from "./nodeVersion.ts";

it("a Node that is too old is told, with the one that is needed", () => {
  expect(["22.12.0", "22.13.1", "24.0.0", "100.1.2"].map(nodeVersionError)).toEqual([null, null, null, null]);
  for (const version of ["20.20.2", "22.11.9", "8.0.0"]) {
    expect(nodeVersionError(version)).toBe(`error: lowrank needs Node 22.12 or later, and this is Node ${version}`);
  }
});
