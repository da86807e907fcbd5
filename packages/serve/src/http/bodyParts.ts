import { HttpError } from "./httpError.ts";

/** The most parts of a body. Each takes the schema some microseconds, while nobody is answered. */
const mostParts = 8000;
/** The parts that a number in a list counts for: token ids are many and quickly checked. */
const numberParts = 0.1;

/** Throws for a body of so many parts that checking it would hold up the server. */
export function checkParts(body: object): void {
  let parts = 0;
  const open: object[] = [body];
  for (let value = open.pop(); value !== undefined; value = open.pop()) {
    const isList = Array.isArray(value);
    for (const item of Object.values(value)) {
      parts += isList && typeof item === "number" ? numberParts : 1;
      if (typeof item === "object" && item !== null) open.push(item);
    }
    if (parts > mostParts) {
      throw new HttpError(400, `The request's body has more than ${mostParts} fields and items.`, {
        code: "body_too_large",
      });
    }
  }
}
