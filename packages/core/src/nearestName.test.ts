import { expect, it } from "vitest";
import { nearestName } from "./index.ts";

it("finds the name that was meant, and none where nothing is like it", () => {
  const known = ["q_proj", "k_proj", "down_proj"];
  expect(nearestName("q_porj", known)).toBe("q_proj");
  expect(nearestName("downproj", known)).toBe("down_proj");
  expect(nearestName("embedding", known)).toBe(null);
  expect(nearestName("q_proj", [])).toBe(null);
});
