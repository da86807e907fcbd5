import type { Equivalents } from "./equivalents.ts";

export const lowrank: Equivalents = [
  [
    "commands/train/view/trainView.ts",
    "const room = (most - least || 1) * 0.05;",
    "1",
    "2",
    "equal losses are in the middle of any range",
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
];
