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
];

/** True if the change of a file is in the list. */
export function isEquivalent(file: string, text: string, { line, from, to }: Mutation): boolean {
  const words = text.split("\n")[line - 1].trim();
  return equivalent.some((one) => one.file === file && one.line === words && one.from === from && one.to === to);
}
