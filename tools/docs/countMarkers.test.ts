import { expect, test } from "vitest";
import { countsIn, withCounts } from "./countMarkers.ts";

const page = "pass <!-- count golden -->16,110<!-- --> checks with <!-- count methods -->21<!-- --> methods, 300 cases";

test("markers have their counts", () => {
  expect(countsIn(page)).toEqual({ golden: 16110, methods: 21 });
});

test("new counts go into their markers, and null leaves one as it is", () => {
  const written = withCounts(page, { golden: 1234567, methods: null, other: 5 });
  expect(written).toBe(page.replace("16,110", "1,234,567"));
  expect(countsIn(written)).toEqual({ golden: 1234567, methods: 21 });
});
