import type { Slots } from "../intent.ts";
import type { SeededRandom } from "../seededRandom.ts";
import { fill } from "../template.ts";

/**
 * Polite words that may come before a command, such as "please". All splits use the same openings, endings and
 * qualifiers; only the phrases differ between splits.
 */
export const openings: readonly string[] = [
  "please",
  "can you",
  "could you",
  "can you please",
  "could you please",
  "i want you to",
  "i need you to",
  "i would like you to",
  "would you",
  "now",
  "next",
  "now please",
  "help me to",
  "you should",
];

/** Words that may follow any request. */
export const endings: readonly string[] = ["please", "for me", "now", "thanks", "for me please", "if you can"];

/** Words that may come before an argument, such as "the list", by the kind of argument. */
export const qualifiers: Record<"number" | "variable" | "string" | "list" | "target" | "quoted", readonly string[]> = {
  number: ["the number", "the value"],
  variable: ["the variable", "the value of"],
  string: ["the string", "the text"],
  list: ["the list"],
  target: ["the variable"],
  quoted: ["the word", "the text"],
};

const noOrder = new Set(
  "what which is i true the if when whenever in for from to depending by would on only".split(" "),
);
// After these words an argument gets no qualifier: it already has one, or it is the name itself ("called x").
const noQualifier = new Set(
  "the all list which many variable called call it result value then every amount count".split(" "),
);

/**
 * Returns the kind of qualifier for an argument. Returns undefined for repetition counts and for the ends of ranges,
 * since these get no qualifier.
 */
function qualifierOf(slot: keyof Slots, value: string): keyof typeof qualifiers | undefined {
  switch (slot) {
    case "a":
    case "b":
    case "n":
    case "d":
      return /^\d/.test(value) ? "number" : "variable";
    case "x":
      return "variable";
    case "s":
      return "string";
    case "l":
      return "list";
    case "t":
      return "target";
    case "w":
    case "v":
      return "quoted";
    default:
      return undefined;
  }
}

/**
 * Returns the text of a request. Replaces the placeholders in `wording` by the arguments, some of them with a qualifier
 * such as "the list". May add polite words at the start and at the end.
 */
export function phraseRequest(wording: string, slots: Slots, random: SeededRandom): string {
  const core = fill(wording, (slot, before) => {
    const value = slots[slot as keyof Slots];
    const kind = qualifierOf(slot as keyof Slots, value);
    if (kind === undefined || noQualifier.has(before) || !random.chance(0.2)) return value;
    return `${random.pick(qualifiers[kind])} ${value}`;
  });
  const isOrder = /^[a-z]/.test(wording) && !noOrder.has(wording.split(" ", 1)[0]);
  const opening = isOrder && random.chance(0.4) ? `${random.pick(openings)} ` : "";
  const ending = random.chance(0.15) ? ` ${random.pick(endings)}` : "";
  return opening + core + ending;
}
