import type { z } from "@hono/zod-openapi";
import { checkParts } from "./bodyParts.ts";
import { HttpError, notSupported } from "./httpError.ts";
import { issueText } from "./issueText.ts";

/** Says what a field's value asks for that is not done; null where it may stay. */
type Refusal = (value: unknown, body: Readonly<Record<string, unknown>>) => string | null;

/** Fields that OpenAI's API has and this server does not, by name. */
export type Unsupported = Readonly<Record<string, Refusal>>;

/** The fields of a body by what becomes of them. */
export interface BodyFields {
  /** Fields that are checked by the schema and acted on. */
  readonly names: readonly string[];
  /** Fields that are ignored, or refused with most values. */
  readonly unsupported: Unsupported;
}

/** Refuses a field with any value, but for one that is as good as none. */
export function refused(
  what: string,
  harmless: (value: unknown, body: Readonly<Record<string, unknown>>) => boolean = () => false,
): Refusal {
  return (value, body) => (harmless(value, body) ? null : `${what} is not supported by this server; leave it out.`);
}

/** Accepts a field that clients send and that changes no answer. */
export const ignored: Refusal = () => null;

/**
 * Returns a body that fits the schema. Fields that are null are as good as absent. Throws a 400
 * that names the first field at fault.
 */
export function checkBody<T>(schema: z.ZodType<T>, body: unknown, unsupported: Unsupported = {}): T {
  if (typeof body !== "object" || body === null || Array.isArray(body)) {
    throw new HttpError(400, "The request's body must be a JSON object.", { code: "invalid_json" });
  }
  checkParts(body);
  // By entries, since an assignment to __proto__ would hide fields behind the object.
  const fields = Object.fromEntries(
    Object.entries(body).filter(([name, value]) => {
      if (value === null) return false;
      if (!Object.hasOwn(unsupported, name)) return true;
      const problem = unsupported[name](value, body as Readonly<Record<string, unknown>>);
      if (problem !== null) throw notSupported(name, problem);
      return false;
    }),
  );
  const result = schema.safeParse(fields, { reportInput: true });
  if (result.success) return result.data;
  throw describe(innermost(result.error.issues[0]));
}

type Issue = z.core.$ZodIssue;

/**
 * Finds the issue that says most of a union's: the one that went deepest, or else that of the
 * member whose type the value has.
 */
function innermost(issue: Issue): Issue {
  if (issue.code !== "invalid_union") return issue;
  const inner = issue.errors.flat().map((found) => innermost(found));
  const deepest = inner.reduce<Issue | null>((best, found) => {
    return found.path.length > (best?.path.length ?? 0) ? found : best;
  }, null);
  const best = deepest ?? inner.find(({ code }) => code !== "invalid_type" && code !== "invalid_union");
  return best === undefined ? issue : { ...best, path: [...issue.path, ...best.path] };
}

function describe(issue: Issue): HttpError {
  const where = pathOf(issue.path);
  if (issue.code === "unrecognized_keys") {
    const param = where === "" ? issue.keys[0] : `${where}.${issue.keys[0]}`;
    const message = `Unrecognized request argument supplied: ${param}`;
    return new HttpError(400, message, { param, code: "unknown_parameter" });
  }
  const missing = issue.code === "invalid_type" && issue.message.endsWith("received undefined");
  if (missing) {
    const message = `Missing required parameter: '${where}'.`;
    return new HttpError(400, message, { param: where, code: "missing_required_parameter" });
  }
  return new HttpError(400, `Invalid '${where}': ${issueText(issue)}.`, { param: where, code: "invalid_value" });
}

/** Writes a path as OpenAI does: `messages[0].role`. */
function pathOf(path: readonly PropertyKey[]): string {
  return path
    .map((step) => (typeof step === "number" ? `[${step}]` : `.${String(step)}`))
    .join("")
    .replace(/^\./, "");
}
