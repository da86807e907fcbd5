import { z } from "@hono/zod-openapi";

/** Text, token ids, or a list of either. */
export type TextInputs = string | readonly string[] | readonly number[] | readonly (readonly number[])[];

/**
 * Schema of texts and token ids. A custom check finds the first invalid item in one pass. A zod union would validate
 * all items once for each member of the union.
 */
export const textInputs: z.ZodType<TextInputs> = z
  .unknown()
  .transform((value, context): TextInputs => {
    const problem = problemOf(value);
    if (problem === null) return value as TextInputs;
    context.addIssue({ code: "custom", ...problem });
    return z.NEVER;
  })
  .openapi({ type: ["string", "array"], description: "A text, token ids, or a list of either." });

/** Returns a list of inputs, each a text or token ids. */
export function eachInput(inputs: TextInputs): readonly (string | readonly number[])[] {
  if (typeof inputs === "string") return [inputs];
  return typeof inputs[0] === "number" ? [inputs as readonly number[]] : (inputs as readonly (string | number[])[]);
}

interface Problem {
  readonly message: string;
  readonly path: (string | number)[];
}

function problemOf(value: unknown): Problem | null {
  if (typeof value === "string") return null;
  if (!Array.isArray(value)) return { message: "expected a text, token ids, or a list of either", path: [] };
  if (value.length === 0) return { message: "the list is empty", path: [] };
  const [first] = value;
  if (typeof first === "number") return tokenProblem(value, []);
  for (const [i, item] of value.entries()) {
    if (typeof item !== typeof first) return { message: "all of a list are texts, or all are token ids", path: [i] };
    if (typeof item === "string") continue;
    if (!Array.isArray(item)) return { message: "expected a text or token ids", path: [i] };
    if (item.length === 0) return { message: "the list is empty", path: [i] };
    const problem = tokenProblem(item, [i]);
    if (problem) return problem;
  }
  return null;
}

function tokenProblem(tokens: readonly unknown[], path: readonly number[]): Problem | null {
  const bad = tokens.findIndex((token) => !(Number.isSafeInteger(token) && (token as number) >= 0));
  return bad < 0 ? null : { message: "expected a token id, a whole number of at least 0", path: [...path, bad] };
}
