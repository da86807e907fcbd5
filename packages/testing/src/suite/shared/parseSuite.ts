import { nearestName } from "@lowrank/core/internal";
import { z } from "zod";
import type { Suite } from "./suite.ts";
import { SuiteError } from "./suiteError.ts";

const count = z.int().min(1);
const share = z.number().min(0).max(1);
const texts = z.union([z.string(), z.array(z.string()).min(1)]);
const examples = z.array(z.looseObject({})).min(1);
const isFunction = z.custom<(...values: never[]) => unknown>((value) => typeof value === "function", {
  error: "expected a function, which only a suite in code can have",
});

const source = {
  data: z.string().min(1).optional(),
  text: texts.optional(),
  examples: examples.optional(),
  maxTokens: z.int().min(2).optional(),
  window: z.int().min(2).optional(),
};

const message = z.strictObject({ role: z.string().min(1), content: z.string() });
const prompt = z.strictObject({
  name: z.string().min(1).optional(),
  prompt: z.string().min(1).optional(),
  messages: z.array(message).min(1).optional(),
  exact: z.string().optional(),
  contains: texts.optional(),
  notContains: texts.optional(),
  matches: z.union([z.string(), z.instanceof(RegExp)]).optional(),
  schema: z.looseObject({}).optional(),
  check: isFunction.optional(),
});

const maskChecks = [
  ...(["labels", "prompt", "answer", "endOfSequence", "tokens", "template"] as const),
  ...(["truncation", "truncatedEnd"] as const),
] as const;
const limit = z.number();

const schema = z.strictObject({
  name: z.string().min(1).optional(),
  model: z.string().min(1).optional(),
  adapter: z
    .strictObject({ base: z.string().min(1).optional(), config: z.record(z.string(), z.unknown()).optional() })
    .optional(),
  generation: z
    .strictObject({
      maxNewTokens: count.optional(),
      batchSize: count.optional(),
      stop: z.array(z.string().min(1)).optional(),
      system: z.string().optional(),
    })
    .optional(),
  prompts: z.array(prompt).min(1).optional(),
  minPassed: share.optional(),
  heldOut: z
    .strictObject({ ...source, maxLoss: limit.optional(), maxPerplexity: z.number().min(1).optional() })
    .optional(),
  forgetting: z.strictObject({ ...source, maxLossIncrease: limit }).optional(),
  drift: z
    .strictObject({ ...source, maxChangedTokens: share.optional(), maxKl: z.number().min(0).optional() })
    .optional(),
  masks: z
    .strictObject({
      data: z.string().min(1).optional(),
      examples: examples.optional(),
      tokenize: isFunction.optional(),
      limit: count.optional(),
      maxLength: z.int().min(2).optional(),
      maxTruncated: share.optional(),
      checks: z.array(z.enum(maskChecks)).min(1).optional(),
    })
    .optional(),
  comparison: z
    .strictObject({
      alpha: z.number().gt(0).lt(1).optional(),
      resamples: z.int().min(100).max(1_000_000).optional(),
      seed: z.int().min(0).optional(),
    })
    .optional(),
});

/** Requirements of which a prompt needs at least one. */
const requirements = ["exact", "contains", "notContains", "matches", "schema", "check"] as const;

/**
 * Checks a suite: a plain object, or the contents of a YAML or JSON file. Returns it unchanged.
 *
 * @throws `SuiteError` for an unknown key, a value of the wrong type, a section without limits or texts, and a suite
 * without tests. The message has the key, its value and the fix.
 * @example
 * ```ts
 * const suite = parseSuite(JSON.parse(await readFile("suite.json", "utf8")));
 * ```
 */
export function parseSuite(value: unknown): Suite {
  if (typeof value !== "object" || value === null || Array.isArray(value)) {
    throw new SuiteError([], `a suite is an object with the keys ${Object.keys(schema.shape).join(", ")}`);
  }
  const found = schema.safeParse(value, { reportInput: true });
  if (!found.success) throw problemOf(found.error.issues[0]);
  const suite = value as Suite;
  const tests = (["adapter", "prompts", "heldOut", "forgetting", "drift", "masks"] as const).filter(
    (key) => suite[key] !== undefined,
  );
  if (tests.length === 0) {
    throw new SuiteError([], "the suite has no tests; add prompts, heldOut, forgetting, drift, masks or adapter");
  }
  for (const [i, test] of (suite.prompts ?? []).entries()) checkPrompt(test, i);
  checkSections(suite);
  return suite;
}

function checkPrompt(test: NonNullable<Suite["prompts"]>[number], i: number): void {
  if ((test.prompt === undefined) === (test.messages === undefined)) {
    throw new SuiteError(["prompts", i], 'give either "prompt" or "messages"');
  }
  if (requirements.every((key) => test[key] === undefined)) {
    throw new SuiteError(["prompts", i], `nothing is expected of the answer; add one of ${requirements.join(", ")}`);
  }
  if (typeof test.matches !== "string") return;
  try {
    new RegExp(test.matches, "u");
  } catch (error) {
    throw new SuiteError(["prompts", i, "matches"], `${(error as Error).message}; correct the expression`);
  }
}

const limitsOf = { heldOut: ["maxLoss", "maxPerplexity"], drift: ["maxChangedTokens", "maxKl"] } as const;

function checkSections(suite: Suite): void {
  for (const name of ["heldOut", "forgetting", "drift", "masks"] as const) {
    const section = suite[name];
    if (section === undefined) continue;
    const sources = (["data", "text", "examples"] as const).filter((key) => key in section);
    const inherits = name === "drift" && suite.forgetting !== undefined;
    if (sources.length > 1 || (sources.length === 0 && !inherits)) {
      const kinds = name === "masks" ? "data or examples" : "data, text or examples";
      const given = sources.length > 1 ? `${sources.join(" and ")} are given` : "it has no texts";
      throw new SuiteError([name], `${given}; give one of ${kinds}`);
    }
    const limits: readonly string[] = name === "heldOut" || name === "drift" ? limitsOf[name] : [];
    if (limits.length > 0 && limits.every((key) => !(key in section))) {
      throw new SuiteError([name], `it has no limit; add ${limits.join(" or ")}`);
    }
  }
}

type Issue = z.core.$ZodIssue;

/** Returns the error for the first problem that the schema found. */
function problemOf(issue: Issue): SuiteError {
  const path = issue.path as (string | number)[];
  if (issue.code === "unrecognized_keys") {
    const [key] = issue.keys;
    const known = keysAt(path);
    const near = nearestName(key, known);
    const advice = near === null ? `there are ${known.join(", ")}` : `did you mean ${near}?`;
    return new SuiteError([...path, key], `the key is unknown; ${advice}`);
  }
  const expected = issue.message.replace(/^Invalid (input|option): /, "").replace(/, received .*$/, "");
  const text = `${expected[0].toLowerCase()}${expected.slice(1)}`;
  return new SuiteError(path, `found ${shown(issue.input)}; ${text}`);
}

/** Returns the known keys of the object at a path of the schema. */
function keysAt(path: readonly (string | number)[]): string[] {
  let at: unknown = schema;
  for (const key of path) {
    at = inner(at);
    at = typeof key === "number" ? (at as z.ZodArray).element : (at as z.ZodObject).shape[key];
  }
  return Object.keys((inner(at) as z.ZodObject).shape);
}

function inner(type: unknown): unknown {
  return type instanceof z.ZodOptional ? type.unwrap() : type;
}

function shown(value: unknown): string {
  const text = value === undefined ? "nothing" : (JSON.stringify(value) ?? String(value));
  return text.length > 60 ? `${text.slice(0, 57)}...` : text;
}
