import { expect, test } from "vitest";
import { HistogramFamily, NumberFamily } from "./families.ts";

test("a counter has its help, its type and a line for each set of labels", () => {
  const requests = new NumberFamily("counter", "requests_total", "Answers,\nby \\ route.");
  requests.inc({ route: "/a" });
  requests.inc({ route: "/a" }, 2);
  requests.inc({ route: 'x"\n\\' });
  expect(requests.lines({ model: "m" })).toEqual([
    "# HELP requests_total Answers,\\nby \\\\ route.",
    "# TYPE requests_total counter",
    'requests_total{model="m",route="/a"} 3',
    'requests_total{model="m",route="x\\"\\n\\\\"} 1',
  ]);
  requests.drop("route", "/a");
  expect(requests.lines().length).toBe(3);
});

test("values are written as Prometheus reads them", () => {
  const level = new NumberFamily("gauge", "level", "A level.");
  const written = [1e21, 0.1, -0, Number.NaN, Number.POSITIVE_INFINITY, Number.NEGATIVE_INFINITY].map((value) => {
    level.set({}, value);
    return level.lines().at(-1);
  });
  expect(written).toEqual(["level 1e+21", "level 0.1", "level 0", "level NaN", "level +Inf", "level -Inf"]);
});

test("a histogram's buckets count all values up to their bound", () => {
  const seconds = new HistogramFamily("seconds", "Times.", [0.1, 1]);
  for (const value of [0.05, 0.1, 0.5, 2]) seconds.observe({ of: "x" }, value);
  expect(seconds.lines().slice(2)).toEqual([
    'seconds_bucket{of="x",le="0.1"} 2',
    'seconds_bucket{of="x",le="1"} 3',
    'seconds_bucket{of="x",le="+Inf"} 4',
    'seconds_sum{of="x"} 2.65',
    'seconds_count{of="x"} 4',
  ]);
});
