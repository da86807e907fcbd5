import { expect, test } from "vitest";
import type { GeneratePairsOptions, TaskPair } from "./generatePairs.ts";
import { generatePairs } from "./generatePairs.ts";
import { familyName } from "./intent.ts";
import type { LanguageName } from "./languages/language.ts";
import { listIntents, requestWords, templatesOf } from "./requests.ts";
import type { Split } from "./template.ts";

const languages: LanguageName[] = ["python", "javascript", "lua", "sql"];
const splits: Split[] = ["train", "validation", "test"];

function prompts(options: GeneratePairsOptions): string[] {
  return generatePairs(options).map(({ prompt }) => prompt);
}

/** Returns all wordings of a template, with every combination of choices. */
function wordings(template: string): string[] {
  const open = template.match(/\[([^\]]*)\]/);
  if (!open) return [template];
  return open[1].split("|").flatMap((choice) => wordings(template.replace(open[0], choice)));
}

test("the same options give the same pairs, another seed gives others", () => {
  const options: GeneratePairsOptions = { language: "javascript", split: "train", count: 300, seed: 5 };
  expect(generatePairs(options)).toEqual(generatePairs(options));
  expect(generatePairs({ ...options, seed: 6 })).not.toEqual(generatePairs(options));
});

test("pairs of a known seed stay as they are", () => {
  const pairs = generatePairs({ language: "javascript", split: "test", count: 3, seed: 0 });
  expect(pairs).toMatchInlineSnapshot(`
    [
      {
        "completion": "if (day >= distance) console.log("small");",
        "family": "when.atLeast",
        "prompt": "check if day is more or equal to distance and if so say "small"
    ",
      },
      {
        "completion": "let answer = Math.abs(score);",
        "family": "store.absolute",
        "prompt": "take score and drop its sign and save the result in a variable called answer
    ",
      },
      {
        "completion": "let temp = title + "up";",
        "family": "store.concat",
        "prompt": "store title joined with "up" at the end in a variable called temp
    ",
      },
    ]
  `);
});

test("a larger count only adds pairs", () => {
  const options: GeneratePairsOptions = { language: "lua", split: "validation", count: 250, seed: 2 };
  expect(generatePairs({ ...options, count: 100 })).toEqual(generatePairs(options).slice(0, 100));
});

test("every language is asked the same requests", () => {
  const requests = languages.map((language) => prompts({ language, split: "test", count: 200, seed: 1 }));
  for (const other of requests) expect(other).toEqual(requests[0]);
});

test("counts are kept and no request comes twice", () => {
  for (const count of [0, 1, 97, 98, 5000]) {
    const made = prompts({ language: "python", split: "train", count, seed: 3 });
    expect(made).toHaveLength(count);
    expect(new Set(made).size).toBe(count);
  }
});

test("every family occurs, about equally often", () => {
  const families = listIntents().map(familyName);
  expect(new Set(families).size).toBe(families.length);
  const counts = new Map<string, number>();
  for (const { family } of generatePairs({ language: "sql", split: "test", count: families.length * 10, seed: 4 })) {
    counts.set(family, (counts.get(family) ?? 0) + 1);
  }
  expect([...counts.keys()].sort()).toEqual([...families].sort());
  for (const count of counts.values()) expect(count).toBeGreaterThanOrEqual(7);
});

test("no wording of a template belongs to two splits", () => {
  const owner = new Map<string, Split>();
  for (const split of splits) {
    for (const intent of listIntents()) {
      for (const wording of templatesOf(intent, split).flatMap(wordings)) {
        expect(owner.get(wording) ?? split, wording).toBe(split);
        owner.set(wording, split);
      }
    }
  }
});

test("no request occurs in two splits", () => {
  const train = new Set(prompts({ language: "python", split: "train", count: 20_000, seed: 0 }));
  const validation = prompts({ language: "python", split: "validation", count: 3000, seed: 0 });
  const held = prompts({ language: "python", split: "test", count: 3000, seed: 0 });
  expect(validation.filter((prompt) => train.has(prompt))).toEqual([]);
  expect(held.filter((prompt) => train.has(prompt))).toEqual([]);
  const seen = new Set(validation);
  expect(held.filter((prompt) => seen.has(prompt))).toEqual([]);
});

test("held-out phrasings use no word that training phrasings lack", () => {
  const known = requestWords(["train"]);
  expect([...requestWords(["validation", "test"])].filter((word) => !known.has(word))).toEqual([]);
});

test("one request has one meaning", () => {
  const meaning = new Map<string, TaskPair>();
  for (const split of splits) {
    for (let seed = 0; seed < 3; seed++) {
      for (const pair of generatePairs({ language: "python", split, count: 5000, seed })) {
        expect(meaning.get(pair.prompt)?.completion ?? pair.completion, pair.prompt).toBe(pair.completion);
        meaning.set(pair.prompt, pair);
      }
    }
  }
});

test("prompts end in a newline, completions are one line", () => {
  for (const language of languages) {
    for (const { prompt, completion } of generatePairs({ language, split: "train", count: 500, seed: 9 })) {
      expect(prompt).toMatch(/^[^\n]+\n$/);
      expect(completion).toMatch(/^\S[^\n]*\S$/);
    }
  }
});

test("every JavaScript answer compiles", () => {
  for (const split of splits) {
    for (const { completion } of generatePairs({ language: "javascript", split, count: 970, seed: 8 })) {
      expect(() => new Function(completion), completion).not.toThrow();
    }
  }
});

test("refuses what it cannot generate", () => {
  expect(() => generatePairs({ language: "python", split: "test", count: 1.5, seed: 0 })).toThrow("count is 1.5");
  expect(() => generatePairs({ language: "cobol" as LanguageName, split: "test", count: 1, seed: 0 })).toThrow(
    'no language "cobol"',
  );
});

test("SQL has texts in single quotes, and variables as parameters", () => {
  const pairs = generatePairs({ language: "sql", split: "train", count: 2000, seed: 1 });
  const first = (family: string) => pairs.find((pair) => pair.family === family);
  expect(first("print.replace")?.completion).toMatch(/^SELECT REPLACE\(:[a-z_]+, '[a-z]{2,}', '[a-z]{2,}'\);$/);
  const { prompt, completion } = first("print.concat") as TaskPair;
  const [, word] = /"([^"]+)"/.exec(prompt) as RegExpExecArray;
  expect(completion).toMatch(new RegExp(`^SELECT :[a-z_]+ \\|\\| '${word}';$`));
});
