import { expect, test } from "vitest";
import { describeTargets } from "./describeTargets.ts";

test("targets are counted by name, and what is left over is named", () => {
  const lines = describeTargets({
    matched: ["layers.0.q_proj", "layers.1.q_proj", "layers.0.v_proj"],
    excluded: ["layers.1.v_proj"],
    unmatchedTargets: ["k_porj"],
    unusedPatterns: ["up_proj"],
  });
  expect(lines).toEqual([
    "adapter on 3 modules: 2 q_proj, 1 v_proj",
    "targeted but excluded: layers.1.v_proj",
    "matched nothing: k_porj, up_proj",
  ]);
});
