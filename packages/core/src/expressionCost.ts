/** The most open-ended repeats that one way through an expression may have. */
const mostRepeats = 4;
/** A repeat of more rounds than this counts as open-ended. */
const fewRounds = 8;
/** The longest expression, and the most rounds of a repeat, that engines take without trouble. */
const [longest, mostRounds] = [20_000, 1000];
const deepest = 200;

/** The open-ended repeats on the worst way through a part, and true if its length can vary. */
interface Part {
  readonly repeats: number;
  readonly varies: boolean;
}

const fixed: Part = { repeats: 0, varies: false };
/** What a group matched again, which may be text of any length. */
const reference: Part = { repeats: 0, varies: true };

/** Thrown inside, with the reason in words. */
class TooCostly extends Error {}

/**
 * Tells why a backtracking engine could take very long to match an expression, of Python's,
 * Oniguruma's or JavaScript's syntax: repeats within repeats, choices within repeats, or many
 * open-ended repeats in a row. Null for one whose time is bounded by a small power of the text's
 * length.
 */
export function expressionCost(source: string): string | null {
  if (source.length > longest) return `it has ${source.length} characters, more than ${longest}`;
  try {
    const reader = new Reader(source);
    while (reader.at < source.length) {
      reader.choice(0);
      reader.at++; // A bracket that closes nothing; the engine itself says so.
    }
    return null;
  } catch (error) {
    if (error instanceof TooCostly) return error.message;
    throw error;
  }
}

class Reader {
  at = 0;
  readonly #source: string;

  constructor(source: string) {
    this.#source = source;
  }

  /** Reads alternatives up to the bracket that ends them. */
  choice(depth: number): Part {
    if (depth > deepest) throw new TooCostly(`its groups are more than ${deepest} deep`);
    const ways = [this.#sequence(depth)];
    while (this.#source[this.at] === "|") {
      this.at++;
      ways.push(this.#sequence(depth));
    }
    const repeats = Math.max(...ways.map((way) => way.repeats));
    return { repeats, varies: ways.length > 1 || ways[0].varies };
  }

  #sequence(depth: number): Part {
    let [repeats, varies] = [0, false];
    while (this.at < this.#source.length && !"|)".includes(this.#source[this.at])) {
      const part = this.#repeated(this.#atom(depth));
      repeats += part.repeats;
      varies ||= part.varies;
      if (repeats > mostRepeats) throw new TooCostly(`it has more than ${mostRepeats} open-ended repeats in a row`);
    }
    return { repeats, varies };
  }

  #atom(depth: number): Part {
    const source = this.#source;
    const character = source[this.at++];
    if (character === "\\") {
      const refers = /[1-9k]/.test(source[this.at++] ?? "");
      return refers ? reference : fixed;
    }
    if (character === "[") this.#skipClass();
    if (character !== "(") return fixed;
    const comment = source.startsWith("?#", this.at);
    if (comment) this.at = (source.indexOf(")", this.at) + 1 || source.length + 1) - 1;
    const refers = source.startsWith("?P=", this.at);
    const inner = this.choice(depth + 1);
    this.at++;
    return refers ? reference : inner;
  }

  /** Goes past a class of characters, in which others may lie. */
  #skipClass(): void {
    const source = this.#source;
    if (source[this.at] === "^") this.at++;
    if (source[this.at] === "]") this.at++;
    for (let open = 1; open > 0 && this.at < source.length; this.at++) {
      if (source[this.at] === "\\") this.at++;
      else if (source[this.at] === "]") open--;
    }
  }

  /** Reads the repeats behind a part. */
  #repeated(part: Part): Part {
    const source = this.#source;
    for (let whole = part; ; ) {
      const found = /^(?:[*+?]|\{(\d*)(,?)(\d*)\})[?+]?/.exec(source.slice(this.at, this.at + 40));
      if (!found || found[0] === "{}" || found[0] === "{,}") return whole;
      this.at += found[0].length;
      const [least, most] = rounds(found);
      const isOpen = most > fewRounds;
      if (Number.isFinite(most) && most > mostRounds) throw new TooCostly(`it repeats a part ${most} times`);
      if (isOpen && whole.varies) throw new TooCostly("it repeats a part that itself repeats or has a choice");
      const more = most === Number.POSITIVE_INFINITY || (isOpen && least !== most) ? 1 : 0;
      whole = { repeats: whole.repeats * Math.min(most, fewRounds) + more, varies: whole.varies || least !== most };
    }
  }
}

/** The fewest and the most rounds of a repeat. */
function rounds([text, least, comma, most]: RegExpExecArray): [least: number, most: number] {
  if (text.startsWith("?")) return [0, 1];
  if (text.startsWith("*")) return [0, Number.POSITIVE_INFINITY];
  if (text.startsWith("+")) return [1, Number.POSITIVE_INFINITY];
  const from = Number(least);
  if (comma === "") return [from, from];
  return [from, most === "" ? Number.POSITIVE_INFINITY : Number(most)];
}
