import type { Equivalents } from "./equivalents.ts";

export const lowrank: Equivalents = [
  [
    "commands/train/view/trainView.ts",
    "const room = (most - least || 1) * 0.05;",
    "1",
    "2",
    "equal losses are in the middle of any range",
  ],
  [
    "commands/train/view/renderExample.ts",
    "while (end < inputIds.length && (labels[end] !== ignoreIndex) === learned) end++;",
    "<",
    "<=",
    "a part may end behind the last token",
  ],
  ["commands/train/runLock.ts", "const moment = 100;", "100", "101", "a wait"],
  [
    "commands/compare/runJobs.ts",
    'for (const i of jobs.keys()) await queue.add({ id: String(i), owner: "", priority: 0 });',
    "0",
    "1",
    "all jobs have the same priority",
  ],
  ["commands/compare/runQueued.ts", "const pollMs = 250;", "250", "251", "a wait"],
  [
    "commands/sweep/runSweep.ts",
    "await new Promise((resolve) => setTimeout(resolve, pollMs / 4));",
    "/",
    "*",
    "a wait",
  ],
  [
    "commands/sweep/runSweep.ts",
    "await new Promise((resolve) => setTimeout(resolve, pollMs / 4));",
    "4",
    "5",
    "a wait",
  ],
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
