// The kinds of texts from which windows are drawn.
import { readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
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

const letters = "abcdefghijklmnopqrstuvwxyz";

const word = (random: Random) => times(2 + random(8), () => letters[random(letters.length)]).join("");

function value(random: Random, depth: number): unknown {
  const kind = random(depth > 2 ? 4 : 6);
  if (kind === 0) return random(1_000_000) / pick(random, [1, 100, 7]);
  if (kind === 1) return random(2) === 0;
  if (kind < 4) return times(1 + random(4), () => word(random)).join(" ");
  if (kind === 4) return times(random(6), () => value(random, depth + 1));
  return Object.fromEntries(times(1 + random(5), () => [word(random), value(random, depth + 1)]));
}

/** Generated texts: data, tables, markup, noise, repeats. */
const madeTexts: Readonly<Record<string, (random: Random) => string>> = {
  json: (random) =>
    JSON.stringify(
      times(12, () => value(random, 0)),
      null,
      pick(random, [0, 2]),
    ),
  table: (random) => {
    const columns = 2 + random(5);
    const row = (cell: () => string) => times(columns, cell).join(pick(random, [",", "\t", " | "]));
    return times(40, (i) => row(() => (i === 0 ? word(random) : String(random(10_000) / 10)))).join("\n");
  },
  html: (random) =>
    times(30, () => {
      const tag = pick(random, ["p", "li", "td", "h2", "span"]);
      return `<${tag} class="${word(random)}">${times(1 + random(6), () => word(random)).join(" ")}</${tag}>`;
    }).join("\n"),
  sums: (random) =>
    times(60, () => {
      const [a, b] = [random(1000), random(1000)];
      return `${a} + ${b} = ${a + b}`;
    }).join(pick(random, ["\n", "; "])),
  bytes: (random) => Buffer.from(times(400, () => random(256))).toString(pick(random, ["hex", "base64"])),
  characters: (random) => String.fromCharCode(...times(400, () => 32 + random(95))),
  unicode: (random) =>
    String.fromCodePoint(...times(200, () => pick(random, [0x20, 0xa1, 0x1f300, 0x4e00]) + random(400))),
  "random words": (random) => times(100, () => word(random)).join(" "),
  "one word again and again": (random) => `${word(random)} `.repeat(100),
  "one phrase again and again": (random) => `${times(3 + random(8), () => word(random)).join(" ")}. `.repeat(40),
  "one character again and again": (random) => pick(random, [" ", "\n", "a", "0", "-", "=", "!"]).repeat(2000),
};
