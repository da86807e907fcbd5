/** JSON text to write unchanged, such as a number that JavaScript cannot represent. */
export class Raw {
  readonly text: string;

  constructor(text: string) {
    this.text = text;
  }
}

/** Wrong sizes, counts and offsets. */
export const numbers: readonly number[] = [
  ...[0, -1, 1, 2, 3, 7, 31, 32, 33, 255, 256, 0.5, 1.5, -0.5, 1e7, 2 ** 16, 2 ** 24, 2 ** 31 - 1, 2 ** 31],
  ...[2 ** 32 - 1, 2 ** 32, 2 ** 40, 2 ** 53, 2 ** 63, 2 ** 64, -(2 ** 31), -(2 ** 53), 1e300, -1e300],
];

const rawNumbers = ["NaN", "Infinity", "-Infinity", "1e999", "-0", "0x10", "1_0", "9".repeat(400)];

/** Regular expressions that are very slow in backtracking engines, and invalid ones. */
const expressions = [
  "(a+)+$",
  "([a-z.]+)+!",
  "(.*)*x",
  "(.|.)*!",
  "(?:.*)*(?:.*)*(?:.*)*!",
  ".*.*.*.*.*.*.*.*.*.*.*.*x",
  ".*?.*?.*?.*?.*?.*?.*?.*?.*?.*?.*?!",
  "(a|aa)+$",
  "((((((a*)*)*)*)*)*)*!",
  "(?:[a-z_.0-9]?){60}[a-z_.0-9]{60}!",
  "(\\w+\\s?)*!",
  "(?=(.*)*!)x",
  "(.+)\\1+!",
  "(?:a{1,100}){1,100}!",
  "a{100000}",
  "[",
  "(",
  "\\",
  "(?P<n>a",
  "a{2,1}",
  "\\p{Nope}",
  "(?i)x",
];

const oddTexts = [
  ...["", " ", "\0", "\ud800", "\u202e", "NaN", "-1", "1e9", "true", "null", "__proto__", "constructor", "toString"],
  ...["length", "../../etc/passwd", "/dev/zero", "C:\\x", "model.safetensors", "%s%n", "<0xFF>", "\u{1f600}"],
  ...["{{ 1 }}", "{% for i in range(100000000) %}x{% endfor %}"],
];

/** Texts that replace other texts. */
export const texts: readonly string[] = [...expressions, ...oddTexts, "x".repeat(100_000), "ab ".repeat(20_000)];

const deep = (open: string, close: string, depth: number) => new Raw(open.repeat(depth) + close.repeat(depth));

/** JSON values of all kinds. */
export const values: readonly unknown[] = [
  ...numbers,
  ...rawNumbers.map((text) => new Raw(text)),
  ...[null, true, false, [], {}, [[]], [null], [1, 2, 3], [-1], [2 ** 31], { a: 1 }, { type: "x" }, [[], [1], ["x"]]],
  deep("[", "]", 50),
  deep("[", "]", 100_000),
  new Raw(`${'{"a":'.repeat(100_000)}1${"}".repeat(100_000)}`),
  new Raw(`[${"0,".repeat(100_000)}0]`),
];
