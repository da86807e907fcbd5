import { HttpError } from "./httpError.ts";

/**
 * Maximum number of fields and list items of a body. Checking each takes some microseconds, in which no other request
 * is served.
 */
const mostParts = 8000;
/**
 * Amount by which a number in a list increases the count, instead of 1. Lists of token ids are long, but quick to
 * check.
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
