import { checkOptions } from "@lowrank/core/internal";
import { drawSlots } from "./arguments.ts";
import { familyName } from "./intent.ts";
import { javascript } from "./languages/javascript.ts";
import type { Language, LanguageName } from "./languages/language.ts";
import { renderIntent } from "./languages/language.ts";
import { lua } from "./languages/lua.ts";
import { python } from "./languages/python.ts";
import { sql } from "./languages/sql.ts";
import { phraseRequest } from "./phrases/manners.ts";
import { listIntents, templatesOf } from "./requests.ts";
import type { SeededRandom } from "./seededRandom.ts";
import { seededRandom } from "./seededRandom.ts";
import type { Split } from "./template.ts";
import { chooseWords } from "./template.ts";

/** A request in plain English, with the code that does it. */
export interface TaskPair {
  /** The request, with a newline at its end. */
  prompt: string;
  /** The code: one line, without a newline. */
  completion: string;
  /** The kind of request, such as `print.add`. */
  family: string;
}

/** Options of `generatePairs`. */
export interface GeneratePairsOptions {
  language: LanguageName;
  split: Split;
  count: number;
  seed: number;
}

const languages: Record<LanguageName, Language> = { python, javascript, lua, sql };

/**
 * Generates requests, each with the code that fulfils it. The same seed and split give the same requests for every
 * programming language. The requests of one call are all different and cycle through all families. No phrasing occurs
 * in two splits. Throws `RangeError` for an unknown language, or if `count` is not a whole number of at least 0.
 */
export function generatePairs(options: GeneratePairsOptions): TaskPair[] {
  checkOptions("generatePairs", options, { language: true, split: true, count: true, seed: true });
  const { language, split, count, seed } = options;
  if (!Number.isInteger(count) || count < 0) {
    throw new RangeError(`generatePairs: count is ${count}: give a whole number of pairs, 0 or more`);
  }
  if (!(language in languages)) {
    throw new RangeError(`generatePairs: no language "${language}": give one of ${Object.keys(languages).join(", ")}`);
  }
  const random = seededRandom(seed, split);
  const kinds = listIntents().map((intent) => ({ intent, templates: templatesOf(intent, split) }));
  const seen = new Set<string>();
  const pairs: TaskPair[] = [];
  while (pairs.length < count) {
    for (const { intent, templates } of shuffled(kinds, random)) {
      const wording = chooseWords(random.pick(templates), random);
      const slots = drawSlots(random);
      const prompt = `${phraseRequest(wording, slots, random)}
`;
      if (seen.has(prompt) || pairs.length === count) continue;
      seen.add(prompt);
      pairs.push({ prompt, completion: renderIntent(languages[language], intent, slots), family: familyName(intent) });
    }
  }
  return pairs;
}

function shuffled<T>(items: readonly T[], random: SeededRandom): T[] {
  const mixed = [...items];
  for (let at = mixed.length - 1; at > 0; at--) {
    const other = random.below(at + 1);
    [mixed[at], mixed[other]] = [mixed[other], mixed[at]];
  }
  return mixed;
}
