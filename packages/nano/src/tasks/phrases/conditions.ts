import type { ComparisonName, ConditionName } from "../intent.ts";
import type { Phrasings } from "../template.ts";

/**
 * Phrases for comparisons, such as "above {b}". They follow "is" or "that are"; `{b}` is replaced by the value to
 * compare with.
 */
const relations: Record<ComparisonName, Phrasings> = {
  greater: {
    train: [
      "[greater|larger|bigger|more|higher] than {b}",
      "above {b}",
      "over {b}",
      "a [greater|larger|bigger|higher] number than {b}",
    ],
    validation: ["[greater|larger|bigger|more|higher] than {b}"],
    test: ["[greater|larger|bigger|more|higher] than {b}", "above {b}", "over {b}"],
  },
  less: {
    train: ["[less|smaller|lower] than {b}", "below {b}", "under {b}", "a [smaller|lower] number than {b}"],
    validation: ["[less|smaller|lower] than {b}"],
    test: ["[less|smaller|lower] than {b}", "below {b}", "under {b}"],
  },
  atLeast: {
    train: [
      "at least {b}",
      "{b} or [more|higher|greater|larger|above]",
      "[greater|larger|bigger|more|higher] than or equal to {b}",
      "not [below|under] {b}",
      "not [less|smaller|lower] than {b}",
      "no [less|smaller|lower] than {b}",
    ],
    validation: ["[above|over] or equal to {b}"],
    test: ["at least {b}", "[greater|larger|bigger|more] or equal to {b}", "a number of {b} or [more|higher]"],
  },
  atMost: {
    train: [
      "at most {b}",
      "{b} or [less|lower|smaller|below]",
      "[less|smaller|lower] than or equal to {b}",
      "not [above|over] {b}",
      "not [greater|larger|bigger|more|higher] than {b}",
      "no [greater|larger|bigger|more|higher] than {b}",
    ],
    validation: ["[below|under] or equal to {b}"],
    test: ["at most {b}", "[less|smaller|lower] or equal to {b}", "a number of {b} or [less|lower]"],
  },
  equal: {
    train: ["equal to {b}", "the same as {b}", "exactly {b}", "just {b}", "the same number as {b}"],
    validation: ["just the same as {b}"],
    test: ["equal to {b}", "exactly the same as {b}", "exactly equal to {b}"],
  },
  notEqual: {
    train: [
      "not equal to {b}",
      "different from {b}",
      "not the same as {b}",
      "other than {b}",
      "not exactly {b}",
      "a different number from {b}",
    ],
    validation: ["a number other than {b}"],
    test: ["not equal to {b}", "a number different from {b}", "not the same number as {b}"],
  },
};

function phrase(phrasings: Phrasings, wrap: (relation: string) => string): Phrasings {
  return {
    train: phrasings.train.map(wrap),
    validation: phrasings.validation.map(wrap),
    test: phrasings.test.map(wrap),
  };
}

function comparison(name: ComparisonName, more: Phrasings): Phrasings {
  const base = phrase(relations[name], (relation) => `{x} is ${relation}`);
  return {
    train: [...base.train, ...more.train],
    validation: [...base.validation, ...more.validation],
    test: [...base.test, ...more.test],
  };
}

/** Phrases for a condition on a variable, such as "x is above 5". */
export const conditionPhrasings: Record<ConditionName, Phrasings> = {
  greater: comparison("greater", {
    train: ["{x} exceeds {b}"],
    validation: [],
    test: [],
  }),
  less: comparison("less", { train: [], validation: [], test: [] }),
  atLeast: comparison("atLeast", { train: [], validation: [], test: [] }),
  atMost: comparison("atMost", { train: [], validation: [], test: [] }),
  equal: comparison("equal", {
    train: ["{x} equals {b}", "{x} and {b} are equal", "{x} matches {b}", "{x} and {b} are the same numbers"],
    validation: [],
    test: ["{x} and {b} are the same", "{x} exactly matches {b}"],
  }),
  notEqual: comparison("notEqual", {
    train: ["{x} does not equal {b}", "{x} and {b} are different", "{x} and {b} are not equal", "{x} differs from {b}"],
    validation: [],
    test: ["{x} and {b} are not the same", "{x} and {b} are different numbers"],
  }),
  even: {
    train: ["{x} is even", "{x} is an even number", "{x} is a multiple of two", "{x} can be halved evenly"],
    validation: ["{x} is even and not odd"],
    test: ["{x} is an even value", "{x} is a number that is even"],
  },
  odd: {
    train: ["{x} is odd", "{x} is an odd number", "{x} is not a multiple of two", "{x} can not be halved evenly"],
    validation: ["{x} is odd and not even"],
    test: ["{x} is an odd value", "{x} is a number that is odd"],
  },
  divisible: {
    train: [
      "{x} is divisible by {d}",
      "{x} can be divided by {d}",
      "{x} is a multiple of {d}",
      "{d} divides {x}",
      "{x} can be split into {d} parts",
    ],
    validation: ["{d} evenly divides {x}"],
    test: ["{x} can be evenly divided by {d}", "{x} is a number divisible by {d}"],
  },
  contains: {
    train: [
      "{s} [contains|includes] {w}",
      "{w} is in {s}",
      "{w} [appears|occurs] [in|inside] {s}",
      "{s} has {w} in it",
      "{w} can be found in {s}",
    ],
    validation: ["{s} has {w} inside"],
    test: ["{w} is found in {s}", "{w} is inside {s}"],
  },
  startsWith: {
    train: [
      "{s} [starts|begins] with {w}",
      "{w} is at the [start|beginning] of {s}",
      "{s} has {w} at the [start|beginning]",
      "the first letters of {s} are {w}",
      "at the [start|beginning] of {s} there is {w}",
    ],
    validation: ["{w} comes at the [start|beginning] of {s}"],
    test: ["the [start|beginning] of {s} is {w}", "there is {w} at the [start|beginning] of {s}"],
  },
  endsWith: {
    train: [
      "{s} [ends|finishes] with {w}",
      "{w} is at the end of {s}",
      "{s} has {w} at the end",
      "the last letters of {s} are {w}",
      "at the end of {s} there is {w}",
    ],
    validation: ["{w} comes at the end of {s}"],
    test: ["the end of {s} is {w}", "there is {w} at the end of {s}"],
  },
};

/** Phrases that select elements of a list by a condition, such as "that are above 5". */
export const filterPhrasings: Record<ComparisonName, Phrasings> = {
  greater: phrase(relations.greater, (relation) => relation),
  less: phrase(relations.less, (relation) => relation),
  atLeast: phrase(relations.atLeast, (relation) => relation),
  atMost: phrase(relations.atMost, (relation) => relation),
  equal: phrase(relations.equal, (relation) => relation),
  notEqual: phrase(relations.notEqual, (relation) => relation),
};
