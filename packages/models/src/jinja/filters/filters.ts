import { readAttribute } from "../methods/readAttribute.ts";
import { isTrue } from "../operators/iterate.ts";
import { textArgument } from "../operators/signature.ts";
import { TemplateError } from "../values/templateError.ts";
import { Undefined, type Value, valueOr } from "../values/types.ts";
import type { Filters } from "./environment.ts";
import { jsonFilters } from "./json.ts";
import { numberFilters } from "./numbers.ts";
import { selectionFilters, sequenceFilters } from "./sequences.ts";
import { textFilters } from "./texts.ts";

function fallback(value: Value, other: Value = "", boolean: Value = false): Value {
  return value instanceof Undefined || (isTrue(boolean) && !isTrue(value)) ? other : value;
}

function attribute(value: Value, name: Value | undefined): Value {
  const text = textArgument(name);
  return valueOr(readAttribute(value, text), () => new Undefined(`there is no attribute '${text}'`));
}

/** Jinja's filters that are not supported, and throw. They format text for people, which chat templates do not need. */
const unsupported: Filters = Object.fromEntries(
  ["pprint", "urlize", "wordwrap"].map((name) => [
    name,
    () => {
      throw new TemplateError("TEMPLATE_UNSUPPORTED", `the filter ${name} is not supported`);
    },
  ]),
);

/** Jinja's filters, with `tojson` as in transformers. */
export const filters: Filters = {
  ...sequenceFilters,
  ...selectionFilters,
  ...textFilters,
  ...numberFilters,
  ...jsonFilters,
  ...unsupported,
  attr: ["name", attribute],
  d: ["default_value? boolean?", fallback],
  default: ["default_value? boolean?", fallback],
};
