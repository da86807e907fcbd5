import { matchesIn } from "./pattern.ts";

/**
 * Splits a text into words. `atStart` is true if the text is at the start of the whole input. The first word is "" if
 * the split removes the start of the text; no other word is empty.
 */
export type Split = (text: string, atStart: boolean) => Iterable<string>;

/** Ways to treat the matches of a pattern, named as in `tokenizer.json`. */
export const splitBehaviors = ["Removed", "Isolated", "MergedWithPrevious", "MergedWithNext", "Contiguous"] as const;

/** One of `splitBehaviors`. */
export type SplitBehavior = (typeof splitBehaviors)[number];

/**
 * Returns a function that splits texts at the matches of a pattern. If `invert` is true, the text between matches is
 * treated as the matches.
 */
export function splitBy(pattern: RegExp, behavior: SplitBehavior, invert = false): Split {
  if (behavior === "Isolated") return (text) => isolated(text, pattern);
  const merge = {
    Removed: removed,
    MergedWithPrevious: withPrevious,
    MergedWithNext: withNext,
    Contiguous: contiguous,
  };
  return (text) => merge[behavior](segments(text, pattern, invert));
}

/** A part of a text: a match, or the text between two matches. */
interface Segment {
  readonly text: string;
  readonly isMatch: boolean;
}

function* segments(text: string, pattern: RegExp, invert: boolean): Generator<Segment> {
  let from = 0;
  for (const { start, end } of matchesIn(text, pattern)) {
    if (from < start) yield { text: text.slice(from, start), isMatch: invert };
    yield { text: text.slice(start, end), isMatch: !invert };
    from = end;
  }
  if (from < text.length) yield { text: text.slice(from), isMatch: invert };
}

function* isolated(text: string, pattern: RegExp): Generator<string> {
  let from = 0;
  for (const { start, end } of matchesIn(text, pattern)) {
    if (from < start) yield text.slice(from, start);
    if (start < end) yield text.slice(start, end);
    from = end;
  }
  if (from < text.length) yield text.slice(from);
}

function* removed(parts: Iterable<Segment>): Generator<string> {
  let first = true;
  for (const { text, isMatch } of parts) {
    if (!isMatch) yield text;
    else if (first && text !== "") yield "";
    first = false;
  }
}

/** Appends each match to the text before it. A match directly after another match becomes its own word. */
function* withPrevious(parts: Iterable<Segment>): Generator<string> {
  let before: Segment | undefined;
  for (const part of parts) {
    const joins = part.isMatch && before !== undefined && !before.isMatch;
    if (before && !joins && before.text !== "") yield before.text;
    before = joins ? { text: before!.text + part.text, isMatch: true } : part;
  }
  if (before && before.text !== "") yield before.text;
}

/** Prepends each match to the text after it. A match directly before another match becomes its own word. */
function* withNext(parts: Iterable<Segment>): Generator<string> {
  let match = "";
  for (const { text, isMatch } of parts) {
    if (isMatch) {
      if (match !== "") yield match;
      match = text;
    } else {
      yield match + text;
      match = "";
    }
  }
  if (match !== "") yield match;
}

function* contiguous(parts: Iterable<Segment>): Generator<string> {
  let run = "";
  let wasMatch: boolean | undefined;
  for (const { text, isMatch } of parts) {
    if (isMatch !== wasMatch && run !== "") {
      yield run;
      run = "";
    }
    run += text;
    wasMatch = isMatch;
  }
  if (run !== "") yield run;
}
