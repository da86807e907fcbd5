// The kinds of texts from which windows are drawn.
import { readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { madeTexts } from "./madeTexts.ts";
import { pick, type Random, times } from "./random.ts";
import { foreignText } from "./sentences.ts";

/** Kinds of texts by name. Each draws a text of at least some hundred characters. */
export type Texts = Readonly<Record<string, (random: Random) => string>>;

const root = join(import.meta.dirname, "../..");

/** Returns the texts of all files with one of the extensions in some folders of this repository. */
function filesOf(folders: readonly string[], endings: readonly string[]): string[] {
  const names = folders.flatMap((folder) =>
    readdirSync(join(root, folder), { recursive: true, encoding: "utf8" }).map((name) => join(folder, name)),
  );
  const wanted = names.filter(
    (name) => endings.some((ending) => name.endsWith(ending)) && !/node_modules|dist|\.gen\./.test(name),
  );
  return wanted.sort().map((name) => readFileSync(join(root, name), "utf8"));
}

const jsonLines = (text: string) =>
  text
    .trim()
    .split("\n")
    .map((line) => JSON.parse(line));

/** Returns a function that joins several random texts. */
const several = (texts: readonly string[]) => (random: Random) => times(12, () => pick(random, texts)).join("\n\n");

/** Returns the kinds of texts: data sets in `folder`, and generated texts. */
export function textsOf(folder: string): Texts {
  const read = (name: string) => readFileSync(join(folder, name), "utf8");
  const shakespeare = read("tinyshakespeare.txt");
  const fables: { title: string; text: string }[] = JSON.parse(read("aesop_fables.json"));
  const instructions: { instruction: string; input: string; output: string }[] = JSON.parse(
    read("instruction-data.json"),
  );
  const tasks: { instruction: string; instances: { input: string; output: string }[] }[] = jsonLines(
    read("seed_tasks.jsonl"),
  );
  const sums: { question: string; answer: string }[] = jsonLines(read("gsm8k_test.jsonl"));
  const questions = read("banking77_test.csv").split("\n").slice(1);
  const fableTexts = fables.map(({ title, text }) => `${title}\n${text}`);
  const answers = instructions.map(({ instruction, input, output }) => [instruction, input, output].join("\n"));
  const turns = instructions.map(
    ({ instruction, output }) =>
      `<|im_start|>user\n${instruction}<|im_end|>\n<|im_start|>assistant\n${output}<|im_end|>\n`,
  );
  const upper = (random: Random) => pick(random, fableTexts).toUpperCase();
  const code = filesOf(["packages", "scripts"], [".ts"]);
  const prose = filesOf(["docs"], [".md"]);
  return {
    shakespeare: (random) => {
      const at = random(shakespeare.length - 3000);
      return shakespeare.slice(at, at + 3000);
    },
    fables: several(fableTexts),
    names: several(read("names.txt").split("\n")),
    "grade school sums": several(sums.map(({ question, answer }) => `Question: ${question}\nAnswer: ${answer}`)),
    instructions: several(answers),
    "chat turns": several(turns),
    "bank questions": several(questions),
    "seed tasks": several(
      tasks.map((it) => [it.instruction, it.instances[0].input, it.instances[0].output].join("\n")),
    ),
    code: (random) => pick(random, code),
    documentation: (random) => pick(random, prose),
    "upper case": upper,
    "other languages": foreignText,
    ...madeTexts,
  };
}
