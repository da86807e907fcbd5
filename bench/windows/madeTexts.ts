import { pick, type Random, times } from "./random.ts";

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
export const madeTexts: Readonly<Record<string, (random: Random) => string>> = {
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
