import { readFile } from "node:fs/promises";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { Tokenizer } from "@lowrank/models";
import { nanoModelFolder } from "@lowrank/nano";
import { sharedPath } from "@lowrank/test-support/folders";
import type { Findings } from "./compare.ts";
import type { Python } from "./python.ts";
import type { RandomChoice } from "./randomChecks.ts";
import type { Report } from "./report.ts";

/** A text, and the results of Python's `tokenizers`. */
interface TextCase {
  text: string;
  /** Its ids with special tokens, and without. */
  ids: number[];
  bare: number[];
  /** The decoded text of `ids` with special tokens, and without. */
  decoded: string;
  skipped: string;
}

/** A folder with a tokenizer.json, and its cases. */
interface TokenizerCases {
  name: string;
  folder: string;
  cases: TextCase[];
}

/** Number of strings for each tokenizer. */
const strings = 500;
/** Maximum number of differences to print for one tokenizer. */
const shown = 3;
/** Models in the shared folder whose tokenizers are also tested with random strings. */
const realModels = ["pyspell-hf", "stories260K-hf", "smollm2-135m-instruct"];

/**
 * Compares random tokenizers with added tokens of all options, and real tokenizers. The ids of random strings, and the
 * decoded text, must equal the results of Python's `tokenizers`.
 */
export async function tokenizerChecks(
  { seed }: RandomChoice,
  { python, folder, report }: { python: Python; folder: string; report: Report },
): Promise<void> {
  const hints = [`pnpm conformance --seed ${seed} --cases 0 tokenizer`];
  const models = sharedPath("models", "the tokenizers of real models");
  const files = [fileURLToPath(nanoModelFolder), ...(models ? realModels.map((name) => join(models, name)) : [])];
  for (const given of [[], files.map((path) => join(path, "tokenizer.json"))]) {
    const out = join(folder, `tokenizers${given.length}`);
    const made = await python.ask<TokenizerCases[]>("tokenizer_cases", { seed, count: strings, out, files: given });
    for (const [index, tokenizer] of made.entries()) {
      const label = `tokenizer ${index + 1}, ${tokenizer.name}, seed ${seed}: ids and texts of ${strings} strings`;
      await report.check(label, () => sameTexts(tokenizer), hints);
    }
  }
  await report.check("tokenizer parts: every code point is of the same class", () => sameClasses(python), hints);
}

async function sameTexts({ folder, cases }: TokenizerCases): Promise<Findings> {
  const tokenizerJson = JSON.parse(await readFile(join(folder, "tokenizer.json"), "utf8"));
  const tokenizer = await Tokenizer.fromParts({ tokenizerJson, label: folder });
  const problems = cases.flatMap(({ text, ...theirs }) => {
    const ours = {
      ids: tokenizer.encode(text),
      bare: tokenizer.encode(text, { addSpecialTokens: false }),
      decoded: tokenizer.decode(theirs.ids),
      skipped: tokenizer.decode(theirs.ids, { skipSpecialTokens: true }),
    };
    const [a, b] = [JSON.stringify(ours), JSON.stringify(theirs)];
    return a === b ? [] : [`${JSON.stringify(text)} is ${a}; Python's tokenizers gives ${b}`];
  });
  const more = problems.length > shown ? [`and ${problems.length - shown} more of ${cases.length}`] : [];
  return { differences: new Map(), problems: [...problems.slice(0, shown), ...more] };
}

/** A tokenizer component that depends on character classes, applied to "a", each character and "a". */
interface ClassCase {
  name: string;
  json: object;
  /** Characters, and the component's result for each. */
  characters: string;
  made: string[];
}

async function sameClasses(python: Python): Promise<Findings> {
  const parts = await python.ask<ClassCase[]>("tokenizer_classes", {});
  const problems: string[] = [];
  for (const { name, json, characters, made } of parts) {
    const tokenizer = await Tokenizer.fromParts({ tokenizerJson: json, label: name });
    const wrong = Array.from(characters).filter((character, i) => {
      const text = tokenizer.decode(tokenizer.encode(`a${character}a`));
      return text !== made[i];
    });
    const codes = wrong.slice(0, 10).map((character) => `U+${character.codePointAt(0)!.toString(16)}`);
    if (wrong.length > 0) problems.push(`${name}: ${wrong.length} characters differ: ${codes.join(" ")}`);
  }
  return { differences: new Map(), problems };
}
