const groups: readonly [python: RegExp, javascript: string | null][] = [
  [/^\(\?P<(\w+)>/, "(?<$1>"],
  [/^\(\?P=(\w+)\)/, "\\k<$1>"],
  [/^\(\?#[^)]*\)/, ""],
  [/^\(\?(?::|=|!|<=|<!|[ims]+:|-[ims]+:)/, "$&"],
  [/^\(\?/, null],
  [/^\(/, "("],
];

const escapes: Readonly<Record<string, string>> = { A: "^", Z: "$", a: "\\x07" };

function refuse(source: string, part: string): Error {
  return new Error(
    `the expression ${JSON.stringify(source)} holds ${part}, which JavaScript's expressions do not have; write it otherwise or list the module names`,
  );
}

/**
 * Translates a character class, which begins with `[` at index `start` of `source`, from Python's to JavaScript's
 * syntax. Returns the translated class, and the length of the original class in `source`.
 */
function translateClass(source: string, start: number): { text: string; length: number } {
  let at = start + 1;
  let text = "[";
  if (source[at] === "^") text += source[at++];
  // In Python, a `]` right after the opening bracket is a literal.
  if (source[at] === "]") {
    text += "\\]";
    at++;
  }
  while (source[at] !== undefined && source[at] !== "]") {
    if (source[at] === "\\") text += source[at++];
    text += source[at++];
  }
  // Without a closing bracket, the result is invalid too.
  return { text: text + (source[at] ?? ""), length: at + 1 - start };
}

/**
 * Converts a Python regular expression to JavaScript. Throws if it is invalid, or if it uses syntax that JavaScript
 * lacks (atomic groups, possessive quantifiers, conditionals, verbose mode); the message names the syntax.
 */
export function pythonRegex(source: string, how: "match" | "fullmatch"): RegExp {
  let out = "";
  let flags = "";
  let at = 0;
  const inline = /^\(\?([a-zA-Z]+)\)/.exec(source);
  if (inline) {
    if (!/^[imsau]+$/.test(inline[1])) throw refuse(source, inline[0]);
    flags = inline[1].replace(/[au]/g, "");
    at = inline[0].length;
  }
  while (at < source.length) {
    const rest = source.slice(at);
    if (rest[0] === "\\") {
      const letter = rest[1] ?? "";
      if (/[A-Za-z]/.test(letter) && !"AbBdDsSwWZafnrtvxu".includes(letter)) throw refuse(source, `\\${letter}`);
      out += escapes[letter] ?? `\\${letter}`;
      at += 2;
    } else if (rest[0] === "[") {
      const { text, length } = translateClass(source, at);
      out += text;
      at += length;
    } else if (rest[0] === "(") {
      const [python, javascript] = groups.find(([start]) => start.test(rest))!;
      const [found] = python.exec(rest)!;
      if (javascript === null) throw refuse(source, rest.slice(0, 4));
      out += found.replace(python, javascript);
      at += found.length;
    } else if (/^[*+?}]\+/.test(rest)) {
      throw refuse(source, rest.slice(0, 2));
    } else {
      const upTo = /^\{,(\d+)\}/.exec(rest);
      out += upTo ? `{0,${upTo[1]}}` : rest[0];
      at += upTo ? upTo[0].length : 1;
    }
  }
  try {
    return new RegExp(how === "fullmatch" ? `^(?:${out})$` : `^(?:${out})`, flags);
  } catch (error) {
    throw new Error(`${JSON.stringify(source)} is not a regular expression: ${(error as Error).message}`, {
      cause: error,
    });
  }
}
