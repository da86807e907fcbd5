import type { Equivalents } from "./equivalents.ts";

export const train: Equivalents = [
  [
    "datasets/indexRecords.ts",
    "this.#room = new make(1024);",
    "1024",
    "1025",
    "the array grows when it is full, whatever its first length is",
  ],
  [
    "datasets/indexRecords.ts",
    "const larger = new this.#make(2 * this.#count);",
    "2",
    "3",
    "the array grows when it is full, whatever the factor is",
  ],
  ["datasets/jsonRecords.ts", "#depth = -1;", "1", "2", "every depth below 0 is before the array"],
];
