import type { z } from "@hono/zod-openapi";
import { plural } from "../../api/plural.ts";

/** Units in which the length of a value is counted, by the value's type. */
const units: Readonly<Record<string, string>> = { string: "character", array: "item" };

/** Describes an issue of a schema: the value that was sent, and the expected values. */
export function issueText(issue: z.core.$ZodIssue): string {
  if (issue.code !== "too_small" && issue.code !== "too_big") return issue.message;
  const { code, origin, inclusive = true, input } = issue;
  const limit = Number(code === "too_small" ? issue.minimum : issue.maximum);
  const [within, beyond] = code === "too_small" ? ["at least", "above"] : ["at most", "below"];
  const bound = `${inclusive ? within : beyond} ${limit}`;
  const unit = units[origin];
  if (unit === undefined) return `it is ${input}; expected ${bound}`;
  return `it has ${plural((input as ArrayLike<unknown>).length, unit)}; expected ${bound}`;
}
