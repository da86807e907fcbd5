/** Maximum number of open-ended repeats (such as `*`) in a sequence. Other elements may be between them. */
const mostRepeats = 4;
/**
 * Maximum number of open-ended repeats in a sequence before an element that may fail to match. This limit applies only
 * to expressions for long texts.
 */
const mostRepeatsBefore = 1;
/**
 * Maximum number of ways in which a sequence can match: the product of the choices that its alternatives, optional
 * parts and short repeats offer.
 */
const mostWays = 10_000;
/** A repeat counts as open-ended if its maximum count is higher than this. */
const fewRounds = 8;
/**
 * The maximum length of an expression, in characters, and the highest count in a quantifier (such as `{1,1000}`) that
 * regular-expression engines handle well.
 */
const [longest, mostRounds] = [20_000, 1000];
const deepest = 200;

/** The cost of matching one part of a regular expression. */
interface Part {
  /**
   * Number of open-ended repeats in the part if it is a sequence. If it has alternatives, the highest number in one of
   * them.
   */
  readonly repeats: number;
  /**
   * The highest number of open-ended repeats (such as `*`) in a row that precede an element which may fail to match. It
   * is -Infinity if the part cannot fail to match: an optional part, for example.
   */
  readonly before: number;
  /** Number of ways in which the part can match. An open-ended repeat (such as `*`) counts as one way. */
  readonly ways: number;
  /** True if the length of the matched text can vary. */
  readonly varies: boolean;
}

const fixed: Part = { repeats: 0, before: 0, ways: 1, varies: false };
/** The cost of a back-reference, which matches the text that a group has matched. The length of this text may vary. */
const reference: Part = { ...fixed, varies: true };

/** Matches the characters that can follow the opening bracket of a group, such as `?:` or `?<name>`. */
const groupStart = /^\?(?:P?<[=!]?\w*>?|P=\w+|[a-zA-Z-]*:|[:=!>])?/;

/**
 * Thrown if an expression is too costly, and caught in this file. Its message is the reason that `expressionCost`
 * returns.
 */
class TooCostly extends Error {}

/**
 * Returns the reason why a regular-expression engine with backtracking could take very long for an expression: nested
 * repeats, choices in repeats, or many open-ended repeats in a row. Supports the syntax of Python, Oniguruma and
 * JavaScript. Returns null if the time grows at most with a small power of the text's length. With `forLongTexts` (for
 * expressions that split documents), returns null only if the time grows at most with the square of the length.
 */
export function expressionCost(source: string, forLongTexts = false): string | null {
  if (source.length > longest) return `it has ${source.length} characters, more than ${longest}`;
  try {
    const reader = new Reader(source, forLongTexts ? mostRepeatsBefore : mostRepeats);
    while (reader.at < source.length) {
      reader.choice(0);
      reader.at++; // An unmatched closing bracket; the engine itself reports it.
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
  readonly #mostBefore: number;

  constructor(source: string, mostBefore: number) {
    this.#source = source;
    this.#mostBefore = mostBefore;
  }

  /**
   * Reads alternatives (`a|b`) up to a closing bracket or the end. Returns their cost. `depth` is the number of
   * enclosing groups.
   */
  choice(depth: number): Part {
    if (depth > deepest) throw new TooCostly(`its groups are nested more than ${deepest} deep`);
    const ways = [this.#sequence(depth)];
    while (this.#source[this.at] === "|") {
      this.at++;
      ways.push(this.#sequence(depth));
    }
    return {
      repeats: Math.max(...ways.map((way) => way.repeats)),
      before: Math.max(...ways.map((way) => way.before)),
      ways: ways.reduce((sum, way) => sum + way.ways, 0),
      varies: ways.length > 1 || ways[0].varies,
    };
  }

  #sequence(depth: number): Part {
    let { repeats, before, ways, varies }: Part = { ...fixed, before: Number.NEGATIVE_INFINITY };
    while (this.at < this.#source.length && !"|)".includes(this.#source[this.at])) {
      const part = this.#repeated(this.#atom(depth));
      before = Math.max(before, repeats + part.before);
      repeats += part.repeats;
      ways *= part.ways;
      varies ||= part.varies;
      if (repeats > mostRepeats) throw new TooCostly(`it has more than ${mostRepeats} open-ended repeats in a row`);
      if (before > this.#mostBefore)
        throw new TooCostly(`it has ${before} open-ended repeats (such as *) before a part that may fail to match`);
      if (ways > mostWays) throw new TooCostly(`its optional parts and choices match in more than ${mostWays} ways`);
    }
    return { repeats, before, ways, varies };
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
    const rest = source.slice(this.at);
    const refers = rest.startsWith("?P=");
    const looks = /^\?<?[=!]/.test(rest);
    if (rest.startsWith("?#")) this.at += rest.search(/\)|$/);
    else this.at += groupStart.exec(rest)?.[0].length ?? 0;
    const inner = this.choice(depth + 1);
    this.at++;
    if (refers) return reference;
    return looks ? { ...inner, before: Math.max(inner.before, 0) } : inner;
  }

  /** Skips a character class up to its first closing bracket. */
  #skipClass(): void {
    const rest = this.#source.slice(this.at).replace(/^\^?\]?(?:[^\\\]]|\\[\s\S]?)*\]?/, "");
    this.at = this.#source.length - rest.length;
  }

  /** Reads the quantifiers that follow a part, and returns the cost of the repeated part. */
  #repeated(part: Part): Part {
    const source = this.#source;
    for (let whole = part; ; ) {
      const found = /^(?:[*+?]|\{(\d*)(,?)(\d*)\})[?+]?/.exec(source.slice(this.at));
      if (!found || found[0] === "{}" || found[0] === "{,}") return whole;
      this.at += found[0].length;
      const [least, most] = rounds(found);
      const isOpen = most > fewRounds;
      if (Number.isFinite(most) && most > mostRounds)
        throw new TooCostly(`it repeats a part up to ${most} times, more than ${mostRounds}`);
      if (isOpen && whole.varies)
        throw new TooCostly("it repeats a part that itself contains a repeat or a choice (|)");
      const more = most === Number.POSITIVE_INFINITY || (isOpen && least !== most) ? 1 : 0;
      const few = Math.min(most, fewRounds);
      whole = {
        repeats: whole.repeats * few + more,
        before: least === 0 ? Number.NEGATIVE_INFINITY : whole.before + whole.repeats * (few - 1),
        ways: isOpen ? whole.ways : waysOfRounds(whole.ways, least, most),
        varies: whole.varies || least !== most,
      };
    }
  }
}

/**
 * Returns the number of ways in which `least` to `most` repetitions of a part can match. `ways` is the number of ways
 * for one repetition.
 */
function waysOfRounds(ways: number, least: number, most: number): number {
  let sum = 0;
  for (let count = least; count <= most; count++) sum += ways ** count;
  return sum;
}

/** Returns the minimum and the maximum count of a quantifier. */
function rounds([text, least, comma, most]: RegExpExecArray): [least: number, most: number] {
  if (text.startsWith("?")) return [0, 1];
  if (text.startsWith("*")) return [0, Number.POSITIVE_INFINITY];
  if (text.startsWith("+")) return [1, Number.POSITIVE_INFINITY];
  const from = Number(least);
  if (comma === "") return [from, from];
  return [from, most === "" ? Number.POSITIVE_INFINITY : Number(most)];
}
