import type { ExpressionName } from "../intent.ts";
import type { Phrasings } from "../template.ts";

/** Phrases for an expression: as a noun phrase ("the sum of ...") and as an order ("add ..."). */
export interface ExpressionPhrasings {
  thing: Phrasings;
  order: Phrasings;
}

/** Phrases for every expression. No phrase occurs in two splits. */
export const expressionPhrasings: Record<ExpressionName, ExpressionPhrasings> = {
  add: {
    thing: {
      train: [
        "{a} plus {b}",
        "the [sum|total] of {a} and {b}",
        "{a} and {b} [added|summed] together",
        "the result of adding {a} and {b}",
        "the [sum|total] you get from {a} and {b}",
      ],
      validation: ["{a} added to {b}"],
      test: ["the [sum|total] of {a} plus {b}", "the result of adding {a} to {b}"],
    },
    order: {
      train: ["add {a} and {b}", "sum {a} and {b}", "add {a} and {b} together", "add up {a} and {b}"],
      validation: ["sum up {a} and {b}"],
      test: ["sum {a} and {b} together", "take {a} and add {b}"],
    },
  },
  subtract: {
    thing: {
      train: [
        "{a} minus {b}",
        "the difference [of|between] {a} and {b}",
        "{b} subtracted from {a}",
        "{b} taken away from {a}",
        "the result of subtracting {b} from {a}",
        "{a} less {b}",
      ],
      validation: ["the result you get from subtracting {b} from {a}"],
      test: ["the difference {a} minus {b}", "the difference you get from {a} and {b}"],
    },
    order: {
      train: [
        "subtract {b} from {a}",
        "take {b} away from {a}",
        "take {b} from {a}",
        "start with {a} and subtract {b}",
        "take the difference of {a} and {b}",
      ],
      validation: ["take away {b} from {a}"],
      test: ["take {a} and subtract {b}", "take the difference between {a} and {b}"],
    },
  },
  multiply: {
    thing: {
      train: [
        "{a} times {b}",
        "{a} multiplied by {b}",
        "the product of {a} and {b}",
        "the result of multiplying {a} by {b}",
        "{a} and {b} multiplied together",
      ],
      validation: ["the product you get from {a} and {b}"],
      test: ["the product of {a} times {b}", "the result of multiplying {a} and {b}"],
    },
    order: {
      train: ["multiply {a} by {b}", "multiply {a} and {b}", "take {a} times {b}", "multiply {a} with {b}"],
      validation: ["take the product of {a} and {b}"],
      test: ["multiply {a} and {b} together", "take {a} and multiply it by {b}"],
    },
  },
  divide: {
    thing: {
      train: [
        "{a} divided by {b}",
        "{a} over {b}",
        "the quotient of {a} and {b}",
        "the result of dividing {a} by {b}",
        "{a} split into {b} parts",
      ],
      validation: ["the result of {a} over {b}"],
      test: ["the quotient of {a} divided by {b}", "the quotient of dividing {a} by {b}"],
    },
    order: {
      train: [
        "divide {a} by {b}",
        "split {a} into {b} parts",
        "take the quotient of {a} and {b}",
        "divide {a} into {b} parts",
      ],
      validation: ["split {a} by {b}"],
      test: ["take {a} divided by {b}", "take {a} and divide it by {b}"],
    },
  },
  remainder: {
    thing: {
      train: [
        "the remainder of {a} divided by {b}",
        "{a} modulo {b}",
        "{a} mod {b}",
        "the remainder when {a} is divided by {b}",
        "what is left of {a} divided by {b}",
      ],
      validation: ["the remainder of {a} over {b}"],
      test: ["the remainder of dividing {a} by {b}", "the remainder of {a} and {b}"],
    },
    order: {
      train: [
        "take {a} modulo {b}",
        "divide {a} by {b} and take the remainder",
        "take the remainder of {a} and {b}",
        "find the remainder of {a} by {b}",
      ],
      validation: ["take {a} mod {b}"],
      test: ["find {a} modulo {b}", "find the remainder when you divide {a} by {b}"],
    },
  },
  power: {
    thing: {
      train: [
        "{a} to the power of {b}",
        "{a} raised to the power {b}",
        "the power of {a} to {b}",
        "{a} to the power {b}",
        "the result of raising {a} to {b}",
      ],
      validation: ["{a} raised to {b}"],
      test: ["{a} raised to the power of {b}", "the result of raising {a} to the power {b}"],
    },
    order: {
      train: [
        "raise {a} to the power {b}",
        "raise {a} to {b}",
        "take {a} to the power of {b}",
        "take the power of {a} to {b}",
      ],
      validation: ["take {a} to the power {b}"],
      test: ["raise {a} to the power of {b}", "take {a} and raise it to {b}"],
    },
  },
  larger: {
    thing: {
      train: [
        "the [larger|bigger|greater] of {a} and {b}",
        "the [maximum|max] of {a} and {b}",
        "the [larger|bigger|greater] number of {a} and {b}",
        "whichever of {a} and {b} is [larger|bigger|greater]",
        "the one that is [larger|bigger] out of {a} and {b}",
      ],
      validation: ["the [larger|bigger] one of {a} and {b}"],
      test: ["the [larger|bigger] number out of {a} and {b}", "whichever is [larger|bigger] of {a} and {b}"],
    },
    order: {
      train: [
        "find the [larger|bigger|greater] of {a} and {b}",
        "find the [larger|bigger|greater] out of {a} and {b}",
        "take the [maximum|max] of {a} and {b}",
        "pick the [larger|bigger|greater] one of {a} and {b}",
      ],
      validation: ["pick the [maximum|max] of {a} and {b}"],
      test: ["take whichever of {a} and {b} is [larger|bigger]", "find the [maximum|max] out of {a} and {b}"],
    },
  },
  smaller: {
    thing: {
      train: [
        "the [smaller|lower|lesser] of {a} and {b}",
        "the [minimum|min] of {a} and {b}",
        "the [smaller|lower|lesser] number of {a} and {b}",
        "whichever of {a} and {b} is [smaller|lower]",
        "the one that is [smaller|lower] out of {a} and {b}",
      ],
      validation: ["the [smaller|lower] one of {a} and {b}"],
      test: ["the [smaller|lower] number out of {a} and {b}", "whichever is [smaller|lower] of {a} and {b}"],
    },
    order: {
      train: [
        "find the [smaller|lower|lesser] of {a} and {b}",
        "find the [smaller|lower|lesser] out of {a} and {b}",
        "take the [minimum|min] of {a} and {b}",
        "pick the [smaller|lower|lesser] one of {a} and {b}",
      ],
      validation: ["pick the [minimum|min] of {a} and {b}"],
      test: ["take whichever of {a} and {b} is [smaller|lower]", "find the [minimum|min] out of {a} and {b}"],
    },
  },
  absolute: {
    thing: {
      train: [
        "the absolute value of {x}",
        "the absolute of {x}",
        "{x} without its sign",
        "{x} as a positive number",
        "the size of {x} without its sign",
      ],
      validation: ["the positive value of {x}"],
      test: ["the positive number of {x}", "the size of {x} as a positive number"],
    },
    order: {
      train: [
        "take the absolute value of {x}",
        "make {x} positive",
        "drop the sign of {x}",
        "find the absolute of {x}",
      ],
      validation: ["find the absolute value of {x}"],
      test: ["take {x} and drop its sign", "find {x} without its sign"],
    },
  },
  listSum: {
    thing: {
      train: [
        "the [sum|total] of all [numbers|values|items] in {l}",
        "all [numbers|values|items] of {l} [added|summed] together",
        "the [sum|total] of the list {l}",
        "the [sum|total] of everything in {l}",
      ],
      validation: ["everything in {l} [added|summed] together"],
      test: ["the [sum|total] of all {l}", "the [sum|total] you get from everything in {l}"],
    },
    order: {
      train: [
        "add up all [numbers|values|items] in {l}",
        "sum the list {l}",
        "sum all {l}",
        "add up everything in {l}",
        "add all the {l} together",
      ],
      validation: ["add up all the {l}"],
      test: ["sum everything in {l}", "sum up all [numbers|values] of {l}"],
    },
  },
  listLargest: {
    thing: {
      train: [
        "the [largest|biggest|highest] [number|value|item] in {l}",
        "the [largest|biggest|highest] of all {l}",
        "the [maximum|max] of the list {l}",
        "the [maximum|max] in {l}",
        "whichever of the {l} is the [largest|biggest|highest]",
      ],
      validation: ["the [largest|biggest] one in {l}"],
      test: ["the [largest|biggest|highest] of the {l}", "the [maximum|max] of all {l}"],
    },
    order: {
      train: [
        "find the [largest|biggest|highest] [number|value|item] of {l}",
        "take the [maximum|max] of the list {l}",
        "pick the [largest|biggest|highest] one in {l}",
      ],
      validation: ["pick the [largest|biggest] [value|item] in {l}"],
      test: ["find the [largest|biggest|highest] of all the {l}", "take the [largest|biggest] [number|value] in {l}"],
    },
  },
  listSmallest: {
    thing: {
      train: [
        "the [smallest|lowest] [number|value|item] in {l}",
        "the [smallest|lowest] of all {l}",
        "the [minimum|min] of the list {l}",
        "the [minimum|min] in {l}",
        "whichever of the {l} is the [smallest|lowest]",
      ],
      validation: ["the [smallest|lowest] one in {l}"],
      test: ["the [smallest|lowest] of the {l}", "the [minimum|min] of all {l}"],
    },
    order: {
      train: [
        "find the [smallest|lowest] [number|value|item] of {l}",
        "take the [minimum|min] of the list {l}",
        "pick the [smallest|lowest] one in {l}",
      ],
      validation: ["pick the [smallest|lowest] [value|item] in {l}"],
      test: ["find the [smallest|lowest] of all the {l}", "take the [smallest|lowest] [number|value] in {l}"],
    },
  },
  listCount: {
    thing: {
      train: [
        "the number of [items|values|elements] in {l}",
        "the count of {l}",
        "the number of {l} in the list",
        "the [size|length] of the list {l}",
        "the amount of [items|values|elements] in {l}",
      ],
      validation: ["the amount of {l}"],
      test: ["the count of [items|values|elements] in {l}", "the amount of {l} in the list"],
    },
    order: {
      train: [
        "count the [items|values|elements] in {l}",
        "count the {l}",
        "count how many [items|values|elements] are in {l}",
        "find the number of [items|values|elements] in {l}",
      ],
      validation: ["find the count of {l}"],
      test: ["count how many {l} are in the list", "count all [items|elements] of {l}"],
    },
  },
  listFirst: {
    thing: {
      train: [
        "the first [item|value|element] of {l}",
        "the first of the {l}",
        "the [item|value|element] that comes first in {l}",
        "the first one in {l}",
      ],
      validation: ["the first [item|value] that is in {l}"],
      test: ["the first [item|value|element] in the list {l}", "the first of all the {l}"],
    },
    order: {
      train: [
        "take the first [item|value|element] of {l}",
        "pick the first of the {l}",
        "find what comes first in {l}",
      ],
      validation: ["pick the first one in {l}"],
      test: ["find the first [item|value|element] in {l}", "take the first of the {l}"],
    },
  },
  listLast: {
    thing: {
      train: [
        "the last [item|value|element] of {l}",
        "the last of the {l}",
        "the [item|value|element] that comes last in {l}",
        "the last one in {l}",
      ],
      validation: ["the last [item|value] that is in {l}"],
      test: ["the last [item|value|element] in the list {l}", "the last of all the {l}"],
    },
    order: {
      train: ["take the last [item|value|element] of {l}", "pick the last of the {l}", "find what comes last in {l}"],
      validation: ["pick the last one in {l}"],
      test: ["find the last [item|value|element] in {l}", "take the last of the {l}"],
    },
  },
  upper: {
    thing: {
      train: [
        "{s} in [upper case|capital letters|capitals]",
        "the [upper case|capital] version of {s}",
        "{s} as [upper case|capitals]",
        "{s} turned into [upper case|capital letters|capitals]",
        "{s} with all letters in upper case",
      ],
      validation: ["the version of {s} in [upper case|capitals]"],
      test: ["{s} with all letters as [capitals|capital letters]", "{s} turned to [upper case|capitals]"],
    },
    order: {
      train: [
        "turn {s} into [upper case|capital letters|capitals]",
        "change {s} to [upper case|capitals]",
        "write {s} in [upper case|capital letters|capitals]",
        "make {s} upper case",
      ],
      validation: ["make {s} all capitals"],
      test: ["change {s} into [capital letters|capitals]", "turn all letters of {s} into [upper case|capitals]"],
    },
  },
  lower: {
    thing: {
      train: [
        "{s} in [lower case|small letters]",
        "the [lower case|small letter] version of {s}",
        "{s} as [lower case|small letters]",
        "{s} turned into [lower case|small letters]",
        "{s} with all letters in lower case",
      ],
      validation: ["the version of {s} in [lower case|small letters]"],
      test: ["{s} with all letters as small letters", "{s} turned to [lower case|small letters]"],
    },
    order: {
      train: [
        "turn {s} into [lower case|small letters]",
        "change {s} to [lower case|small letters]",
        "write {s} in [lower case|small letters]",
        "make {s} lower case",
      ],
      validation: ["make {s} all small letters"],
      test: ["change {s} into [lower case|small letters]", "turn all letters of {s} into [lower case|small letters]"],
    },
  },
  stringLength: {
    thing: {
      train: [
        "the length of {s}",
        "the number of [letters|characters] in {s}",
        "the amount of [letters|characters] in {s}",
        "the count of [letters|characters] in {s}",
        "the number of [letters|characters] that {s} has",
      ],
      validation: ["the length of {s} in [letters|characters]"],
      test: ["the length in [letters|characters] of {s}", "the amount of [letters|characters] that {s} has"],
    },
    order: {
      train: [
        "count the [letters|characters] in {s}",
        "find the length of {s}",
        "count how many [letters|characters] {s} has",
        "find how long {s} is",
      ],
      validation: ["find the number of [letters|characters] in {s}"],
      test: ["count all [letters|characters] of {s}", "find how many [letters|characters] {s} has"],
    },
  },
  firstLetter: {
    thing: {
      train: [
        "the first [letter|character] of {s}",
        "the [letter|character] {s} [starts|begins] with",
        "the [letter|character] at the beginning of {s}",
        "the [letter|character] that comes first in {s}",
      ],
      validation: ["the [letter|character] at the start of {s}"],
      test: ["the first [letter|character] in {s}", "the [letter|character] that {s} [starts|begins] with"],
    },
    order: {
      train: [
        "take the first [letter|character] of {s}",
        "find the [letter|character] {s} [starts|begins] with",
        "take the letter at the start of {s}",
        "find the first letter that is in {s}",
      ],
      validation: ["pick the first [letter|character] in {s}"],
      test: ["find the first [letter|character] of {s}", "take the [letter|character] that comes first in {s}"],
    },
  },
  concat: {
    thing: {
      train: [
        "{s} followed by {w}",
        "{s} with {w} after it",
        "{s} joined with {w}",
        "{s} and then {w} as one string",
        "{s} with {w} at the end",
      ],
      validation: ["{s} and {w} joined together"],
      test: ["{s} joined with {w} at the end", "{s} and {w} as one string"],
    },
    order: {
      train: [
        "join {s} and {w}",
        "attach {w} to {s}",
        "join {s} with {w}",
        "attach {w} at the end of {s}",
        "put {w} after {s}",
      ],
      validation: ["attach {w} after {s}"],
      test: ["join {s} and {w} together", "take {s} and attach {w}"],
    },
  },
  replace: {
    thing: {
      train: [
        "{s} with {w} replaced by {v}",
        "{s} with {v} [in place of|instead of] {w}",
        "{s} where {w} is replaced by {v}",
        "{s} after replacing {w} with {v}",
        "{s} where every {w} becomes {v}",
      ],
      validation: ["{s} with every {w} replaced by {v}"],
      test: ["{s} where {w} becomes {v}", "{s} after {w} is replaced by {v}"],
    },
    order: {
      train: [
        "replace {w} [with|by] {v} in {s}",
        "take {s} and change {w} to {v}",
        "change {w} to {v} in {s}",
        "in {s} replace {w} [with|by] {v}",
        "put {v} [in place of|instead of] {w} in {s}",
        "change every {w} of {s} to {v}",
      ],
      validation: ["replace every {w} in {s} [with|by] {v}"],
      test: ["take {s} and replace {w} [with|by] {v}", "in {s} change {w} to {v}"],
    },
  },
};
