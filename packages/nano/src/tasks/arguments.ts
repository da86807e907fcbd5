import type { Slots } from "./intent.ts";
import type { SeededRandom } from "./seededRandom.ts";

/** Names that stand for a number. */
export const numberNames: readonly string[] =
  "price age size score level speed weight height width cost points year month day rate depth tax salary budget distance x y z p q".split(
    " ",
  );

/** Names that stand for a string. */
export const stringNames: readonly string[] =
  "name city title color country street email user message label path sentence line".split(" ");

/** Names that stand for a list of numbers. */
export const listNames: readonly string[] =
  "scores prices ages sizes weights marks grades sales costs lengths heights years levels speeds rates".split(" ");

/** Names that a result is stored in. */
export const targetNames: readonly string[] =
  "answer outcome final best target temp current reply copy cell box r m".split(" ");

/** Words that stand in quotes. */
export const quotedWords: readonly string[] =
  "hello cat dog red blue green apple banana sun moon star tree river bird fish yes no good bad hot cold big small up down left right win lose stop go high low old new fast slow done".split(
    " ",
  );

const consonants = "bcdfghjklmnprstvwz".split("");
const vowels = "aeiou".split("");

/** A pronounceable made-up word of three to six letters. */
function inventWord(random: SeededRandom, ending: string): string {
  const syllables = 1 + random.below(2);
  let word = "";
  for (let at = 0; at < syllables; at++) word += random.pick(consonants) + random.pick(vowels);
  return word + (ending === "" ? random.pick(consonants) : random.pick(["", ...consonants]) + ending);
}

function numeral(random: SeededRandom): string {
  const size = random.pick([10, 100, 100, 1000]);
  return String(random.below(size));
}

/**
 * Draws one value for every argument a request can have. Names and quoted words within one request differ; a share of
 * them is made up, so that copying is learned and not a word list. Words in `reserved` are never made up.
 */
export function drawSlots(random: SeededRandom, reserved: ReadonlySet<string>): Slots {
  const used = new Set<string>();
  const draw = (pool: readonly string[], invented: number, ending = ""): string => {
    for (;;) {
      const word = random.chance(invented) ? inventWord(random, ending) : random.pick(pool);
      if (used.has(word) || (reserved.has(word) && !pool.includes(word))) continue;
      used.add(word);
      return word;
    }
  };
  const name = (): string => draw(numberNames, 0.25);
  const operand = (): string => (random.chance(0.5) ? name() : numeral(random));
  const quoted = (): string => `"${draw(quotedWords, 0.25)}"`;
  const low = random.below(50);
  return {
    a: operand(),
    b: operand(),
    x: name(),
    s: draw(stringNames, 0.25),
    l: draw(listNames, 0.25, "s"),
    t: draw(targetNames, 0.25),
    w: quoted(),
    v: quoted(),
    n: numeral(random),
    d: String(2 + random.below(18)),
    k: String(2 + random.below(98)),
    i: String(low),
    j: String(low + 1 + random.below(99)),
  };
}
