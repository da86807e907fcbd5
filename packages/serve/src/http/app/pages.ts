import { HttpError } from "../requests/httpError.ts";
import type { AppRequest } from "./appContext.ts";

/** Names of the query parameters that `pageOf` reads. */
export const pageQuery: readonly string[] = ["after", "limit"];

/**
 * Returns a page of a list in the format that OpenAI's clients expect: at most `limit` items that follow the item with
 * id `after`. Both are query parameters. `ids` are the ids of all items. Calls `read` with the ids on the page.
 */
export async function pageOf<T>(
  c: AppRequest,
  ids: readonly string[],
  most: { usual: number; limit: number },
  read: (ids: readonly string[]) => Promise<readonly T[]>,
): Promise<Response> {
  const limit = readLimit(c.req.query("limit"), most);
  const after = c.req.query("after");
  const start = after === undefined ? 0 : ids.indexOf(after) + 1;
  if (after !== undefined && start === 0) {
    throw new HttpError(400, `No item found with id '${after}'.`, { param: "after", code: "invalid_value" });
  }
  const found = ids.slice(start, start + limit);
  return c.json({
    object: "list",
    data: await read(found),
    first_id: found[0] ?? null,
    last_id: found.at(-1) ?? null,
    has_more: start + limit < ids.length,
  });
}

function readLimit(text: string | undefined, { usual, limit }: { usual: number; limit: number }): number {
  if (text === undefined) return usual;
  const value = Number(text);
  if (Number.isSafeInteger(value) && value >= 1 && value <= limit) return value;
  throw new HttpError(400, `Invalid 'limit': it is "${text}"; expected a whole number from 1 to ${limit}.`, {
    param: "limit",
    code: "invalid_value",
  });
}
