import type { Mutation } from "./mutations.ts";

/** A mutant that changes no result, named by its file, the text of its line and the change. */
interface Equivalent {
  readonly file: string;
  readonly line: string;
  readonly from: string;
  readonly to: string;
  readonly why: string;
}

/** Mutants that change no result. At most 5 of 100 that are drawn may be in this list. */
export const equivalent: readonly Equivalent[] = [
  {
    file: "packages/lowrank/src/report/barChart.ts",
    line: "if (!(value > 0) || positive.length === 0) return 0;",
    from: ">",
    to: ">=",
    why: "a value of 0 has a bar of length 0 by the other way too",
  },
  {
    file: "packages/lowrank/src/report/lineChart.ts",
    line: "const span = high - low || 1;",
    from: "1",
    to: "2",
    why: "a span of 0 divides 0",
  },
  {
    file: "packages/lowrank/src/report/lineChart.ts",
    line: `if (at >= low - 1e-9 && at <= high + 1e-9) ticks.push(Number(\`\${factor}e\${power}\`));`,
    from: ">=",
    to: ">",
    why: "no logarithm of a tick is 1e-9 from an end",
  },
  {
    file: "packages/lowrank/src/report/lineChart.ts",
    line: `if (at >= low - 1e-9 && at <= high + 1e-9) ticks.push(Number(\`\${factor}e\${power}\`));`,
    from: "<=",
    to: "<",
    why: "no logarithm of a tick is 1e-9 from an end",
  },
  {
    file: "packages/models/src/generation/holdback.ts",
    line: "for (const stop of complete) if (stop.length > (this.found?.length ?? 0)) this.found = stop;",
    from: ">",
    to: ">=",
    why: "complete stops of one length are the same items",
  },
  {
    file: "packages/models/src/generation/holdback.ts",
    line: "for (let n = stop.length - 1; n > most; n--) if (this.#endsWith(stop, n)) most = n;",
    from: ">",
    to: ">=",
    why: "the added round assigns `most` its own value",
  },
  {
    file: "packages/models/src/jinja/text/codePoints.ts",
    line: "while (end > 0 && spaceEnd.test(rest[end - 1])) end--;",
    from: ">",
    to: ">=",
    why: "the text before the first character is undefined, which is no space",
  },
  {
    file: "packages/models/src/jinja/values/number.ts",
    line: "const bits = new DataView(new ArrayBuffer(8));",
    from: "8",
    to: "9",
    why: "a longer buffer holds the same value",
  },
  {
    file: "packages/models/src/jinja/values/number.ts",
    line: "const signed = value < 0 ? -mantissa : mantissa;",
    from: "<",
    to: "<=",
    why: "the negated 0n is 0n",
  },
  {
    file: "packages/models/src/jinja/values/number.ts",
    line: "const negative = numerator < 0n;",
    from: "<",
    to: "<=",
    why: "the negated 0n is 0n",
  },
  {
    file: "packages/peft/src/methods/oft.ts",
    line: "if (wanted >= features) return features;",
    from: ">=",
    to: ">",
    why: "for equal values the search begins with `wanted`, which divides `features`",
  },
  {
    file: "packages/peft/src/random/torchGenerator.ts",
    line: "y ^= (y << 15) & 0xefc60000;",
    from: "0xefc60000",
    to: "4022730753",
    why: "the lowest bit of a value that is shifted left by 15 is 0",
  },
  {
    file: "packages/train/src/datasets/indexRecords.ts",
    line: "this.#room = new make(1024);",
    from: "1024",
    to: "1025",
    why: "the array grows when it is full, whatever its first length is",
  },
  {
    file: "packages/train/src/datasets/indexRecords.ts",
    line: "const larger = new this.#make(2 * this.#count);",
    from: "2",
    to: "3",
    why: "the array grows when it is full, whatever the factor is",
  },
  {
    file: "packages/train/src/datasets/jsonRecords.ts",
    line: "#depth = -1;",
    from: "1",
    to: "2",
    why: "every depth below 0 is before the array",
  },
];

/** True if the change of a file is in the list. */
export function isEquivalent(file: string, text: string, { line, from, to }: Mutation): boolean {
  const words = text.split("\n")[line - 1].trim();
  return equivalent.some((one) => one.file === file && one.line === words && one.from === from && one.to === to);
}
