/** Kinds of expressions, whose values a statement prints or stores. */
export type ExpressionName =
  | "add"
  | "subtract"
  | "multiply"
  | "divide"
  | "remainder"
  | "power"
  | "larger"
  | "smaller"
  | "absolute"
  | "listSum"
  | "listLargest"
  | "listSmallest"
  | "listCount"
  | "listFirst"
  | "listLast"
  | "upper"
  | "lower"
  | "stringLength"
  | "firstLetter"
  | "concat"
  | "replace";

/** Comparisons with a number. They apply to a variable (`x > 5`) or to each element of a list. */
export type ComparisonName = "greater" | "less" | "atLeast" | "atMost" | "equal" | "notEqual";

/** Kinds of conditions. */
export type ConditionName = ComparisonName | "even" | "odd" | "divisible" | "contains" | "startsWith" | "endsWith";

/** Kinds of statements that contain an expression. */
export type ExpressionStatement = "print" | "store";

/** Kinds of statements that contain a condition. */
export type ConditionStatement = "check" | "when" | "choose";

/** Kinds of statements that contain neither an expression nor a condition. */
export type PlainStatement =
  | "forEach"
  | "countUp"
  | "repeat"
  | "mapAdd"
  | "mapMultiply"
  | "append"
  | "sort"
  | "clear"
  | "increase"
  | "decrease"
  | "printWord"
  | "storeWord"
  | "storeNumber";

type Around<Statement extends string, Inner> = { [S in Statement]: { statement: S; inner: Inner } }[Statement];

/**
 * Content of a request, independent of programming language and wording: a kind of statement and, for some, an
 * expression or condition inside it.
 */
export type Intent =
  | Around<ExpressionStatement, ExpressionName>
  | Around<ConditionStatement, ConditionName>
  | Around<"filter", ComparisonName>
  | Around<PlainStatement, undefined>;

/** Arguments of a request: names and values that occur both in its words and in its code. */
export interface Slots {
  /** A number, or a variable that holds a number. */
  a: string;
  /** A second number, or a variable that holds a number. */
  b: string;
  /** A variable that holds a number. */
  x: string;
  /** A variable that holds a string. */
  s: string;
  /** A variable that holds a list. */
  l: string;
  /** Name of the variable that a result is assigned to. */
  t: string;
  /** A word in quotes; in `replace`, the word to be replaced. */
  w: string;
  /** A second word in quotes; in `replace`, the word that replaces the first one. */
  v: string;
  /** A number, such as the value to append to a list. */
  n: string;
  /** A divisor, from 2 to 19. */
  d: string;
  /** A repetition count, from 2 to 99. */
  k: string;
  /** The start of a range. */
  i: string;
  /** The end of a range. */
  j: string;
}

/** Returns the name of an intent's family, such as `print.add` or `sort`. */
export function familyName(intent: Intent): string {
  return intent.inner === undefined ? intent.statement : `${intent.statement}.${intent.inner}`;
}
