import { describe, expect, test } from "vitest";
import { eachInput, textInputs } from "../requests/textInputs.ts";
import type { AppRequest } from "./appContext.ts";
import { pageOf } from "./pages.ts";

describe("a page of a list", () => {
  const ids = ["a", "b", "c", "d"];
  const page = async (query: Readonly<Record<string, string>>, of: readonly string[] = ids) => {
    const c = { req: { query: (name: string) => query[name] }, json: (body: unknown) => body };
    const read = async (some: readonly string[]) => some.map((id) => ({ id }));
    return pageOf(c as unknown as AppRequest, of, { usual: 2, limit: 3 }, read) as Promise<unknown>;
  };
  const found = (of: readonly string[], has_more: boolean) => ({
    ...{ object: "list", data: of.map((id) => ({ id })), has_more },
    ...{ first_id: of[0] ?? null, last_id: of.at(-1) ?? null },
  });

  test("has the usual number of items, or as many as are asked for", async () => {
    expect(await page({})).toEqual(found(["a", "b"], true));
    expect(await page({ limit: "1" })).toEqual(found(["a"], true));
    expect(await page({ limit: "3" })).toEqual(found(["a", "b", "c"], true));
    expect(await page({}, ["a", "b"])).toEqual(found(["a", "b"], false));
    expect(await page({}, [])).toEqual(found([], false));
  });

  test("begins after an item", async () => {
    expect(await page({ after: "a" })).toEqual(found(["b", "c"], true));
    expect(await page({ after: "b" })).toEqual(found(["c", "d"], false));
    expect(await page({ after: "c" })).toEqual(found(["d"], false));
    expect(await page({ after: "d" })).toEqual(found([], false));
    await expect(page({ after: "x" })).rejects.toMatchObject({
      ...{ status: 400, param: "after", message: "No item found with id 'x'." },
    });
  });

  test.each(["0", "4", "1.5", "x", "-1"])("of %s items is refused", async (limit) => {
    await expect(page({ limit })).rejects.toMatchObject({
      ...{ status: 400, param: "limit", code: "invalid_value" },
      message: `Invalid 'limit': it is "${limit}"; expected a whole number from 1 to 3.`,
    });
  });
});

describe("inputs", () => {
  const problem = (value: unknown) => {
    const { error } = textInputs.safeParse(value);
    return error ? [error.issues[0].message, error.issues[0].path] : null;
  };

  test.each([["a"], [""], [["a", "b"]], [[1, 2]], [[0]], [[[1], [2, 3]]]])("may be %j", (value) => {
    expect(problem(value)).toBe(null);
  });

  const mixed = "all of a list are texts, or all are token ids";
  const token = "expected a token id, a whole number of at least 0";
  test.each([
    [1, "expected a text, token ids, or a list of either", []],
    [{}, "expected a text, token ids, or a list of either", []],
    [null, "expected a text, token ids, or a list of either", []],
    [[], "the list is empty", []],
    [["a", 1], mixed, [1]],
    [["a", ["b"]], mixed, [1]],
    [[[1], "a"], mixed, [1]],
    [[[1], []], "the list is empty", [1]],
    [[[1], [2, -1]], token, [1, 1]],
    [[1, 0.5], token, [1]],
    [[1, "a"], token, [1]],
    [[1, -1], token, [1]],
    [[2 ** 53], token, [0]],
    [[null], "expected a text or token ids", [0]],
    [[{}], "expected a text or token ids", [0]],
  ])("may not be %j", (value, message, path) => {
    expect(problem(value)).toEqual([message, path]);
  });

  test("are single texts or lists of ids", () => {
    expect(eachInput("a")).toEqual(["a"]);
    expect(eachInput([1, 2])).toEqual([[1, 2]]);
    expect(eachInput(["a", "b"])).toEqual(["a", "b"]);
    expect(eachInput([[1], [2]])).toEqual([[1], [2]]);
  });
});
