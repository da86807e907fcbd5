import { z } from "@hono/zod-openapi";
import { plural } from "../../api/plural.ts";
import { HttpError, notSupported } from "./httpError.ts";

/** Schema of a request's `model`. Its limit is longer than real names. It keeps huge texts out of the log. */
export const modelName: z.ZodType<string> = z.string().max(1024);

/** Returns the reason why a field's value is not supported; null if it is accepted. */
type Refusal = (value: unknown, body: Readonly<Record<string, unknown>>) => string | null;

/** Fields of OpenAI's API that this server does not support, by name. */
export type Unsupported = Readonly<Record<string, Refusal>>;

/** Names of the fields that a body may have: supported fields, and fields of OpenAI's API that are not supported. */
export interface BodyFields {
  /** Supported fields, which the schema validates. */
  readonly names: readonly string[];
  /**
   * Unsupported fields by name, each with a function. The function returns null if the field's value can be ignored,
   * and otherwise the reason to refuse the request.
   */
  readonly unsupported: Unsupported;
}

/**
 * Returns a function that refuses the values of an unsupported field. Values for which `harmless` returns true are
 * accepted (default: none). `what` names the feature in the error.
 */
export function refused(
  what: string,
  harmless: (value: unknown, body: Readonly<Record<string, unknown>>) => boolean = () => false,
): Refusal {
  return (value, body) => (harmless(value, body) ? null : `${what} is not supported by this server; leave it out.`);
}

/** Accepts any value of a field that has no effect on the answer. */
export const ignored: Refusal = () => null;

/**
 * Returns a body that matches the schema. Null fields count as absent. Throws a 400 that names the first invalid field.
 */
export function checkBody<T>(schema: z.ZodType<T>, body: unknown, unsupported: Unsupported = {}): T {
  if (typeof body !== "object" || body === null || Array.isArray(body)) {
    throw new HttpError(400, "The request's body must be a JSON object.", { code: "invalid_json" });
  }
  checkParts(body);
  // Uses entries, since an assignment to `__proto__` would set the prototype and hide the field.
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
 * Returns the most specific issue of a union: the issue with the longest path below the union. If no path is longer
 * than the union's, returns the issue of the union's member that expects the value's type.
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

/** Formats a path as OpenAI does: `messages[0].role`. */
function pathOf(path: readonly PropertyKey[]): string {
  return path
    .map((step) => (typeof step === "number" ? `[${step}]` : `.${String(step)}`))
    .join("")
    .replace(/^\./, "");
}

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

/**
 * Maximum number of fields and list items of a body. Checking each takes some microseconds, in which no other request
 * is served.
 */
const mostParts = 8000;
/**
 * Amount that a number in a list adds to the count of fields and items. Every other field or item adds 1. Lists of
 * token ids are long, but quick to check.
 */
const numberParts = 0.1;

/**
 * Throws an HttpError with status 400 for a body with so many fields and items that checking it would block the server.
 * Also throws for a field named `__proto__` at any depth, since schemas would ignore such a field without an error.
 */
export function checkParts(body: object): void {
  let parts = 0;
  const open: { readonly value: object; readonly path: string }[] = [{ value: body, path: "" }];
  for (let next = open.pop(); next !== undefined; next = open.pop()) {
    const { value, path } = next;
    const isList = Array.isArray(value);
    for (const [name, item] of isList ? value.entries() : Object.entries(value)) {
      const at = () => (isList ? `${path}[${name}]` : path === "" ? `${name}` : `${path}.${name}`);
      if (name === "__proto__") {
        const param = at();
        const message = `Unrecognized request argument supplied: ${param}`;
        throw new HttpError(400, message, { param, code: "unknown_parameter" });
      }
      parts += isList && typeof item === "number" ? numberParts : 1;
      if (typeof item === "object" && item !== null) open.push({ value: item, path: at() });
    }
    if (parts > mostParts) {
      throw new HttpError(400, `The request's body has more than ${mostParts} fields and items.`, {
        code: "body_too_large",
      });
    }
  }
}
