import type { Equivalents } from "./equivalents.ts";

export const lowrank: Equivalents = [
  [
    "report/barChart.ts",
    "if (!(value > 0) || positive.length === 0) return 0;",
    ">",
    ">=",
    "a value of 0 has a bar of length 0 by the other way too",
  ],
  ["report/lineChart.ts", "const span = high - low || 1;", "1", "2", "a span of 0 divides 0"],
  [
    "report/lineChart.ts",
    "if (at >= low - 1e-9 && at <= high + 1e-9) ticks.push(Number(`${factor}e${power}`));",
    ">=",
    ">",
    "no logarithm of a tick is 1e-9 from an end",
  ],
  [
    "report/lineChart.ts",
    "if (at >= low - 1e-9 && at <= high + 1e-9) ticks.push(Number(`${factor}e${power}`));",
    "<=",
    "<",
    "no logarithm of a tick is 1e-9 from an end",
  ],
];
