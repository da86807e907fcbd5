import type { Slots } from "./intent.ts";
import type { SeededRandom } from "./seededRandom.ts";

/** Names for variables that hold a number. */
const numberNames: readonly string[] =
  "price age size score level speed weight height width cost points year month day rate depth tax salary budget distance x y z p q".split(
    " ",
  );

/** Names for variables that hold a string. */
const stringNames: readonly string[] =
  "name city title color country street email user message label path sentence line".split(" ");

/** Names for variables that hold a list of numbers. */
const listNames: readonly string[] =
  "scores prices ages sizes weights marks grades sales costs lengths heights years levels speeds rates".split(" ");

/** Names for variables that a result is assigned to. */
const targetNames: readonly string[] = "answer outcome final best target temp current reply copy cell box r m".split(
  " ",
);

/** Words that occur in requests as quoted strings. */
const quotedWords: readonly string[] =
  "hello cat dog red blue green apple banana sun moon star tree river bird fish yes no good bad hot cold big small up down left right win lose stop go high low old new fast slow done".split(
    " ",
  );

function numeral(random: SeededRandom): string {
  const size = random.pick([10, 10, 100, 100, 100, 1000]);
  return String(random.below(size));
}

/** Draws a random value for every argument that a request can have. All names and quoted words are different. */
export function drawSlots(random: SeededRandom): Slots {
  const used = new Set<string>();
  const draw = (pool: readonly string[]): string => {
    const free = pool.filter((word) => !used.has(word));
    const word = random.pick(free);
    used.add(word);
    return word;
  };
  const operand = (): string => (random.chance(0.5) ? draw(numberNames) : numeral(random));
  const low = random.below(50);
  return {
    a: operand(),
    b: operand(),
    x: draw(numberNames),
    s: draw(stringNames),
    l: draw(listNames),
    t: draw(targetNames),
    w: `"${draw(quotedWords)}"`,
    v: `"${draw(quotedWords)}"`,
    n: numeral(random),
    d: String(2 + random.below(18)),
    k: String(2 + random.below(98)),
    i: String(low),
    j: String(low + 1 + random.below(99)),
  };
}
