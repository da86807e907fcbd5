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

/** Share of names and quoted words that are made up, so that copying is learned and not a list of words. */
const inventedShare = 0.15;

const consonants = "bcdfghjklmnprstvwz".split("");
const vowels = "aeiou".split("");

/** A pronounceable made-up word such as "lom" or "kefop". */
function inventWord(random: SeededRandom): string {
  const syllables = 1 + random.below(2);
  let word = "";
  for (let at = 0; at < syllables; at++) word += random.pick(consonants) + random.pick(vowels);
  return word + random.pick(consonants);
}

function numeral(random: SeededRandom): string {
  const size = random.pick([10, 100, 100, 1000]);
  return String(random.below(size));
}

/**
 * Draws one value for every argument a request can have. Names and quoted words within one request differ, and no
 * made-up one is in `reserved`.
 */
export function drawSlots(random: SeededRandom, reserved: ReadonlySet<string>): Slots {
  const used = new Set<string>();
  const draw = (pool: readonly string[], ending = ""): string => {
    for (;;) {
      const word = random.chance(inventedShare) ? inventWord(random) + ending : random.pick(pool);
      if (used.has(word) || (reserved.has(word) && !pool.includes(word))) continue;
      used.add(word);
      return word;
    }
  };
  const name = (): string => draw(numberNames);
  const operand = (): string => (random.chance(0.5) ? name() : numeral(random));
  const quoted = (): string => `"${draw(quotedWords)}"`;
  const low = random.below(50);
  return {
    a: operand(),
    b: operand(),
    x: name(),
    s: draw(stringNames),
    l: draw(listNames, "s"),
    t: draw(targetNames),
    w: quoted(),
    v: quoted(),
    n: numeral(random),
    d: String(2 + random.below(18)),
    k: String(2 + random.below(98)),
    i: String(low),
    j: String(low + 1 + random.below(99)),
  };
}
