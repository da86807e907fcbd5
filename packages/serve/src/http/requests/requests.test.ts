import { z } from "@hono/zod-openapi";
import { describe, expect, test } from "vitest";
import { ServingError, type ServingErrorCode } from "../../api/api.ts";
import { BudgetError } from "../../budgets/budgetError.ts";
import { checkRequestId, requestIdOf } from "../createApp.ts";
import { checkBody, checkParts, ignored, issueText, refused } from "./checkBody.ts";
import { HttpError, modelNotFound, notSupported, toHttpError } from "./httpError.ts";
import { defaultLimits, timerMs } from "./limits.ts";
import { readBody } from "./readBody.ts";
import { eachInput, textInputs } from "./textInputs.ts";

test.each<[ServingErrorCode, number, string, string, string | null]>([
  ["invalid_request", 400, "invalid_request_error", "invalid_value", null],
  ["context_length_exceeded", 400, "invalid_request_error", "context_length_exceeded", null],
  ["not_found", 404, "invalid_request_error", "model_not_found", null],
  ["already_loaded", 400, "invalid_request_error", "already_loaded", null],
  ["forbidden", 403, "permission_error", "forbidden", null],
  ["queue_full", 429, "rate_limit_error", "rate_limit_exceeded", "1"],
  ["draining", 503, "server_error", "draining", "5"],
  ["adapter_refused", 400, "invalid_request_error", "adapter_refused", null],
  ["unavailable", 503, "server_error", "unavailable", "5"],
  ["insufficient_storage", 507, "server_error", "insufficient_storage", null],
  ["timeout", 504, "server_error", "timeout", null],
])("a failure %s is answered by %d", async (code, status, type, shown, retry) => {
  const response = toHttpError(new ServingError(code, "what", "field")).response();
  expect(response.status).toBe(status);
  expect(await response.json()).toEqual({ error: { message: "what", type, param: "field", code: shown } });
  expect(response.headers.get("retry-after")).toBe(retry);
  for (const name of ["connection", "www-authenticate"]) expect(response.headers.get(name)).toBeNull();
});

test("other failures have their own statuses and headers", () => {
  expect(modelNotFound("m")).toMatchObject({ status: 404, code: "model_not_found", param: "model" });
  expect(notSupported("x", "no")).toMatchObject({ status: 400, code: "unsupported_parameter", param: "x" });
  const own = new HttpError(401, "who", { code: "invalid_api_key" });
  expect(toHttpError(own)).toBe(own);
  expect(own.response().headers.get("www-authenticate")).toBe("Bearer");
  expect(own.with({ closes: true }).response().headers.get("connection")).toBe("close");
  expect(toHttpError(new Error("disk"))).toMatchObject({ status: 500, code: "internal_error", type: "server_error" });
  const budget = (retryAfter: number | null) => toHttpError(new BudgetError("much", { retryAfter }));
  expect([budget(null).status, budget(3).status, budget(3).type]).toEqual([400, 429, "rate_limit_error"]);
  const retries = [0, 0.2, 1, 1.2, 30].map((seconds) => budget(seconds).response().headers.get("retry-after"));
  expect(retries).toEqual(["1", "1", "1", "2", "30"]);
});

describe("the body of a request", () => {
  const limits = { ...defaultLimits, bodyBytes: 10 };
  const inNode = globalThis.process?.getBuiltinModule !== undefined;
  const request = (body: BodyInit | null, headers: Record<string, string> = {}) => {
    const given = { "content-type": "application/json", ...headers };
    return new Request("http://localhost/", { method: "POST", body, headers: given, duplex: "half" } as RequestInit);
  };
  const stream = (...pieces: (string | Error)[]) =>
    new ReadableStream({
      pull(controller) {
        const piece = pieces.shift();
        if (piece === undefined) controller.close();
        else if (piece instanceof Error) controller.error(piece);
        else controller.enqueue(new TextEncoder().encode(piece));
      },
    });
  const bytes = (...values: number[]) => Uint8Array.from(values);

  test("is JSON of at most so many bytes", async () => {
    expect(await readBody(request('{"a":1234}'), limits)).toEqual({ a: 1234 });
    expect(await readBody(request(stream('{"a":', "1234}")), limits)).toEqual({ a: 1234 });
    expect(await readBody(request("{}", { "content-length": "10" }), limits)).toEqual({});
    expect(await readBody(request("{}", { "content-encoding": " Identity" }), limits)).toEqual({});
    expect(await readBody(request("{}", { "content-type": "Application/JSON; charset=utf-8" }), limits)).toEqual({});
  });

  test.each<[string, Request, number, string]>([
    ["longer", request('{"a":12345}'), 413, "body_too_large"],
    ["longer in pieces", request(stream('{"a":', "12345", "}")), 413, "body_too_large"],
    ["not JSON", request("{"), 400, "invalid_json"],
    ["empty", request(null), 400, "invalid_json"],
    ["not UTF-8", request(bytes(34, 0xff, 34)), 400, "invalid_json"],
    ["broken off", request(stream("{", new Error("gone"))), 400, "incomplete_body"],
    ["of another type", request("{}", { "content-type": "text/plain" }), 415, "unsupported_media_type"],
    ["of a longer type", request("{}", { "content-type": "application/jsonl" }), 415, "unsupported_media_type"],
    ["compressed", request("{}", { "content-encoding": "gzip" }), 415, "unsupported_media_type"],
  ])("that is %s is refused", async (_, given, status, code) => {
    await expect(readBody(given, limits)).rejects.toMatchObject({ status, code });
  });

  // Pages may not set this header.
  test.skipIf(!inNode)("(Node alone) that is longer by its header is refused", async () => {
    const long = request("{}", { "content-length": "11" });
    await expect(readBody(long, limits)).rejects.toMatchObject({ status: 413, code: "body_too_large" });
  });

  test("that has no bytes is within any limit, and a slow one is given up", async () => {
    await expect(readBody(request(null), { ...limits, bodyBytes: 0 })).rejects.toMatchObject({ code: "invalid_json" });
    const slow = request(new ReadableStream({ pull: () => new Promise(() => {}) }));
    await expect(readBody(slow, { ...limits, bodySeconds: 0.01 })).rejects.toMatchObject({
      ...{ status: 408, code: "body_timeout", message: "The request's body took longer than 0.01 seconds." },
    });
  });

  test("has at most 8000 fields and items; ten numbers of a list count as one", () => {
    const over = expect.objectContaining({ status: 400, code: "body_too_large" });
    checkParts({ a: Array(7999).fill("x") });
    expect(() => checkParts({ a: Array(8000).fill("x") })).toThrow(over);
    checkParts({ a: Array(79_000).fill(1) });
    expect(() => checkParts({ a: Array(80_100).fill(1) })).toThrow(over);
    expect(() => checkParts({ a: Array(8000).fill(null) })).toThrow(over);
    expect(() => checkParts({ a: { b: Array(4000).fill("x"), c: Array(4000).fill("y") } })).toThrow(over);
    for (const [text, param] of [
      ['{"__proto__":1}', "__proto__"],
      ['{"a":[0,{"b":{"__proto__":1}}]}', "a[1].b.__proto__"],
    ]) {
      expect(() => checkParts(JSON.parse(text))).toThrow(expect.objectContaining({ param, code: "unknown_parameter" }));
    }
  });
});

describe("the fields of a body", () => {
  const schema = z.strictObject({
    name: z.string().min(2).max(4).optional(),
    list: z.array(z.number()).min(1).optional(),
    above: z.number().gt(0).optional(),
    below: z.number().lt(5).optional(),
    least: z.number().min(1).optional(),
    most: z.int().max(9).optional(),
    either: z.union([z.string().max(3), z.object({ in: z.object({ x: z.number(), y: z.number() }) })]).optional(),
    deep: z.strictObject({ a: z.number().optional() }).optional(),
    needed: z.number(),
  });
  const unsupported = { user: ignored, store: refused("store"), tools: refused("tools", (value) => value === 0) };
  const check = (fields: object) => checkBody(schema, { needed: 1, ...fields }, unsupported);

  test("are those of the schema; null is absent, and ignored ones are left out", () => {
    expect(check({ name: "ab", list: null, user: "u", tools: 0 })).toEqual({ needed: 1, name: "ab" });
  });

  test.each<[object, string, string, string]>([
    [{ name: "a" }, "name", "invalid_value", "Invalid 'name': it has 1 character; expected at least 2."],
    [{ name: "abcde" }, "name", "invalid_value", "Invalid 'name': it has 5 characters; expected at most 4."],
    [{ list: [] }, "list", "invalid_value", "Invalid 'list': it has 0 items; expected at least 1."],
    [{ above: 0 }, "above", "invalid_value", "Invalid 'above': it is 0; expected above 0."],
    [{ below: 5 }, "below", "invalid_value", "Invalid 'below': it is 5; expected below 5."],
    [{ least: 0 }, "least", "invalid_value", "Invalid 'least': it is 0; expected at least 1."],
    [{ most: 10 }, "most", "invalid_value", "Invalid 'most': it is 10; expected at most 9."],
    [{ either: "abcd" }, "either", "invalid_value", "Invalid 'either': it has 4 characters; expected at most 3."],
    [{ list: [1, "x"] }, "list[1]", "invalid_value", "Invalid 'list[1]': "],
    [{ either: { in: { x: "1", y: "2" } } }, "either.in.x", "invalid_value", "Invalid 'either.in.x': "],
    [{ either: { in: { x: 1, y: "2" } } }, "either.in.y", "invalid_value", "Invalid 'either.in.y': "],
    [{ either: { in: 5 } }, "either.in", "invalid_value", "Invalid 'either.in': "],
    [{ either: 7 }, "either", "invalid_value", "Invalid 'either': Invalid input."],
    [{ deep: { a: 1, b: 2 } }, "deep.b", "unknown_parameter", "Unrecognized request argument supplied: deep.b"],
    [{ either: { in: {} } }, "either.in.x", "missing_required_parameter", "Missing required parameter: 'either.in.x'."],
    [{ needed: null }, "needed", "missing_required_parameter", "Missing required parameter: 'needed'."],
    [{ other: 1 }, "other", "unknown_parameter", "Unrecognized request argument supplied: other"],
    [{ store: 1 }, "store", "unsupported_parameter", "store is not supported by this server; leave it out."],
    [{ tools: 1 }, "tools", "unsupported_parameter", "tools is not supported by this server; leave it out."],
  ])("%j is refused", (fields, param, code, message) => {
    expect(() => check(fields)).toThrow(
      expect.objectContaining({ status: 400, param, code, message: expect.stringContaining(message) }),
    );
  });

  test("have bounds that are included unless their schema says otherwise", () => {
    const issue = {
      code: "too_small",
      origin: "number",
      minimum: 2,
      input: 1,
      path: [],
      message: "",
    } satisfies z.core.$ZodIssue;
    expect(issueText(issue)).toBe("it is 1; expected at least 2");
    expect(issueText({ ...issue, inclusive: false })).toBe("it is 1; expected above 2");
  });

  test.each([[null], [[]], ["text"], [7]])("are an object: %j is refused", (body) => {
    expect(() => checkBody(schema, body)).toThrow(expect.objectContaining({ status: 400, code: "invalid_json" }));
  });
});

describe("inputs", () => {
  test.each<[unknown, unknown[]]>([
    ["a", ["a"]],
    [
      ["a", "b"],
      ["a", "b"],
    ],
    [[0, 1], [[0, 1]]],
    [[5], [[5]]],
    [
      [[0], [2, 1]],
      [[0], [2, 1]],
    ],
  ])("%j are the list %j", (inputs, list) => {
    expect(eachInput(textInputs.parse(inputs))).toEqual(list);
  });

  test.each<[unknown, (string | number)[], string]>([
    [7, [], "expected a text, token ids, or a list of either"],
    [[], [], "the list is empty"],
    [[1, -1], [1], "expected a token id, a whole number of at least 0"],
    [[0.5], [0], "expected a token id"],
    [["a", 1], [1], "all of a list are texts, or all are token ids"],
    [[[1], "a"], [1], "all of a list are texts"],
    [[[1], { a: 1 }], [1], "expected a text or token ids"],
    [[[1], []], [1], "the list is empty"],
    [[[1], [2, "x"]], [1, 1], "expected a token id"],
  ])("%j are refused", (inputs, path, message) => {
    const [issue] = textInputs.safeParse(inputs).error!.issues;
    expect(issue).toMatchObject({ path, message: expect.stringContaining(message) });
  });
});

test("a request keeps a valid id of its client, of 1 to 128 characters", () => {
  for (const good of ["a", "A-9_.:/+=@", "x".repeat(128)]) {
    expect(requestIdOf(good)).toBe(good);
    checkRequestId(good);
  }
  for (const bad of ["", "x".repeat(129), "a b", "é"]) {
    expect(requestIdOf(bad)).toMatch(/^[0-9a-f]{32}$/);
    expect(() => checkRequestId(bad)).toThrow(
      expect.objectContaining({
        ...{ status: 400, param: "x-request-id", code: "invalid_request_id" },
        message: expect.stringContaining(`has ${bad.length} characters`),
      }),
    );
  }
  checkRequestId(undefined);
  expect(requestIdOf(undefined)).not.toBe(requestIdOf(undefined));
});

test("timers are at most 2^31 - 1 milliseconds, and limits have the documented defaults", () => {
  expect([timerMs(0.5), timerMs(2147483), timerMs(2147483.647), timerMs(2147484), timerMs(1e9)]).toEqual([
    500, 2147483000, 2147483647, 2147483647, 2147483647,
  ]);
  expect(defaultLimits).toEqual({
    ...{ bodyBytes: 1048576, bodySeconds: 10, sequences: 16, pending: 256, sendSeconds: 60, requestSeconds: 600 },
  });
});
