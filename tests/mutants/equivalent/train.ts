import type { Equivalents } from "./equivalents.ts";

export const train: Equivalents = [
  [
    "data/tokens/maskedText.ts",
    "while (end < inputIds.length && (labels[end] !== ignoreIndex) === learned) end++;",
    "<",
    "<=",
    "a part may end behind the last token",
  ],
  ["checkpoint/wholeCheckpoint.ts", "const length = 1 << 20;", "1", "2", "the checksum does not depend on the chunks"],
  [
    "checkpoint/wholeCheckpoint.ts",
    "const length = 1 << 20;",
    "20",
    "21",
    "the checksum does not depend on the chunks",
  ],
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
  [
    "datasets/tableRecords.ts",
    "const together = 256;",
    "256",
    "257",
    "rows are parsed one by one or in groups of any size, with equal results",
  ],
  ["datasets/tableRecords.ts", "if (rows.length < together) continue;", "<", "<=", "groups of any size are equal"],
  [
    "datasets/tableRecords.ts",
    "if (rows.length < together) continue;",
    "rows.length < together",
    "!(rows.length < together)",
    "groups of any size are equal",
  ],
  ["data/batchSampler.ts", "for (let at = 0; at < full; at += stretch) {", "<", "<=", "sorts an empty part at the end"],
  [
    "data/packing/packExamples.ts",
    "this.#leaves = 2 ** Math.ceil(Math.log2(size + 1));",
    "1",
    "2",
    "a tree with more leaves than rooms is correct too",
  ],
  [
    "data/packing/packExamples.ts",
    "this.#counts = new Uint32Array(2 * this.#leaves);",
    "2",
    "3",
    "the further elements are not used",
  ],
  ["datasets/jsonRecords.ts", "#depth = -1;", "1", "2", "every depth below 0 is before the array"],
];
