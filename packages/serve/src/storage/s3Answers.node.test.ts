import { createHash } from "node:crypto";
import { afterEach, beforeEach, describe, expect, test, vi } from "vitest";
import type { S3PlaceOptions } from "./s3Bucket.ts";
import { s3Place } from "./s3Place.ts";
import { sha256 } from "./sha256.ts";
import { systemClock } from "./storeClock.ts";

/** Answer of the scripted bucket: a status with a body, or an error that fetch throws. */
type Answer = number | [status: number, body: string | Uint8Array, headers?: Record<string, string>] | Error;

let answers: Answer[];
let requests: { method: string; path: string; headers: Record<string, string>; body: unknown }[];
let waits: number[];
let now: number;
beforeEach(() => {
  [answers, requests, waits, now] = [[], [], [], 5000];
});
afterEach(() => void vi.restoreAllMocks());

/** Options for a bucket that gives the answers in order. Pauses end at once, and timeouts never come. */
function scripted(more: Partial<S3PlaceOptions> = {}): S3PlaceOptions {
  const fetch = async (input: URL | RequestInfo, { method = "GET", headers, body }: RequestInit = {}) => {
    const { pathname, search } = new URL(String(input));
    expect(String(input)).not.toMatch(/\?$/);
    requests.push({ method, path: decodeURIComponent(pathname + search), headers: headers as never, body });
    const answer = answers.shift() ?? 500;
    if (answer instanceof Error) throw answer;
    const [status, content, given] = typeof answer === "number" ? [answer, null] : answer;
    return new Response(content as BodyInit, { status, headers: given });
  };
  const after = (ms: number, fn: () => void) => {
    waits.push(ms);
    if (ms < 10_000) {
      now += ms;
      queueMicrotask(fn);
    }
    return () => undefined;
  };
  return { bucket: "b", endpoint: "http://s3", fetch, clock: { now: () => now, after }, ...more };
}

const listing = (...keys: string[]): Answer => {
  const contents = keys.map((key) => `<Contents><Key>${key}</Key><Size>7</Size><ETag>"t"</ETag></Contents>`);
  return [200, `<ListBucketResult>${contents.join("")}</ListBucketResult>`];
};
const asked = () => requests.map(({ method, path }) => `${method} ${path}`);
const failed = async (promise: Promise<unknown>) => {
  const error = await promise.then(
    () => expect.unreachable(),
    (error) => error,
  );
  return [error.code, error.message, error.cause?.message];
};
const refusal = "the store refuses a request of this server";
const megabytes = (count: number) => new Uint8Array(count * 2 ** 20);

describe("an object", () => {
  test.each<[number, boolean]>([
    [200, true],
    [204, true],
    [404, true],
    [205, false],
    [403, false],
    [405, false],
  ])("is removed if the answer is %i: %s", async (status, isRemoved) => {
    answers = [status];
    const removed = s3Place(scripted({ prefix: "p" })).remove("k/x");
    if (isRemoved) await removed;
    else expect((await failed(removed)).slice(0, 2)).toEqual(["unavailable", refusal]);
    expect(asked()).toEqual(["DELETE /b/p/k/x"]);
  });

  test("is read whole, or is missing", async () => {
    answers = [[200, "ab"], 404, [404, "<Error><Code>NoSuchBucket</Code></Error>"]];
    const store = s3Place(scripted());
    expect([await store.get("k"), await store.get("k")]).toEqual([new TextEncoder().encode("ab"), null]);
    expect(await failed(store.get("k"))).toEqual([
      ...["unavailable", "the store is not there", "s3://b/: there is no such bucket"],
    ]);
  });

  const piece = megabytes(8);
  test.each<[string, Answer[], number[]]>([
    ["of one piece", [[206, "abc"]], [3]],
    ["of one byte", [[206, "a"]], [1]],
    [
      "of a piece and a byte",
      [
        [206, piece],
        [206, "a"],
      ],
      [8 << 20, 1],
    ],
    ["of a whole piece", [[206, piece], 416], [8 << 20]],
    ["without bytes", [[206, ""]], []],
    ["without bytes, at once", [[416, "<Error><Code>InvalidRange</Code></Error>"]], []],
    ["from a store without ranges", [[200, piece]], [8 << 20]],
  ])("is read piece by piece: %s", async (_, given, expected) => {
    answers = [...given];
    const lengths: number[] = [];
    for await (const { length } of s3Place(scripted()).stream("k")) lengths.push(length);
    expect(lengths).toEqual(expected);
    const ranges = ["bytes=0-8388607", "bytes=8388608-16777215"].slice(0, given.length);
    expect(requests.map(({ headers }) => headers.Range)).toEqual(ranges);
  });

  test("that is missing cannot be read piece by piece", async () => {
    answers = [404];
    const first = s3Place(scripted()).stream("k")[Symbol.asyncIterator]().next();
    expect(await failed(first)).toEqual(["unavailable", "the store lacks an object", "s3://b/ has no k"]);
  });

  const put = async (...pieces: Uint8Array[]) => {
    const content = (async function* () {
      yield* pieces;
    })();
    await s3Place(scripted()).put("k", content);
    return requests.map(({ method, path, body }) => [
      ...[`${method} ${path}`, body instanceof Uint8Array ? body.length : body],
    ]);
  };

  test("is written in one request if it has at most one part", async () => {
    answers = [200, 200, 200];
    await put();
    await put(new Uint8Array(1));
    expect(await put(megabytes(3), megabytes(5))).toEqual([
      ["PUT /b/k", ""],
      ["PUT /b/k", 1],
      ["PUT /b/k", 8 << 20],
    ]);
  });

  const begun: Answer = [200, "<InitiateMultipartUploadResult><UploadId>u</UploadId></InitiateMultipartUploadResult>"];
  const tagged = (tag: string): Answer => [200, "", { ETag: tag }];
  test("is written in parts of 8 MiB, and a last one", async () => {
    answers = [begun, tagged("a"), tagged("b"), tagged("c"), 200];
    const parts = ["a", "b", "c"].map((tag, i) => `<Part><PartNumber>${i + 1}</PartNumber><ETag>${tag}</ETag></Part>`);
    expect(await put(megabytes(3), megabytes(13), new Uint8Array(1))).toEqual([
      ["POST /b/k?uploads=", undefined],
      ["PUT /b/k?partNumber=1&uploadId=u", 8 << 20],
      ["PUT /b/k?partNumber=2&uploadId=u", 8 << 20],
      ["PUT /b/k?partNumber=3&uploadId=u", 1],
      ["POST /b/k?uploadId=u", `<CompleteMultipartUpload>${parts.join("")}</CompleteMultipartUpload>`],
    ]);
  });

  test("whose parts are not put together leaves none", async () => {
    answers = [begun, tagged("a"), tagged("b"), [200, "<Error><Code>InternalError</Code></Error>"], 204];
    expect((await failed(put(megabytes(9)))).slice(0, 2)).toEqual([
      ...["unavailable", "the store did not take a large file"],
    ]);
    expect(asked().at(-1)).toBe("DELETE /b/k?uploadId=u");
  });

  test("is made once, after the store was found to support conditions", async () => {
    const tag: Answer = [200, "", { ETag: "t" }];
    answers = [tag, 412, 412, tag, 412, 409, 404, 403];
    const store = s3Place(scripted());
    expect(await store.create("k", "x")).toBe(true);
    const probe = "PUT /b/.fine-tuning/probe";
    expect(asked()).toEqual([probe, probe, probe, "PUT /b/k"]);
    expect(requests.map(({ headers }) => [headers["If-None-Match"], headers["If-Match"]])).toEqual([
      ...[
        ["*", undefined],
        ["*", undefined],
        [undefined, '"none"'],
        ["*", undefined],
      ],
    ]);
    expect([await store.create("k", "x"), await store.create("k", "x"), await store.create("k", "x")]).toEqual([
      ...[false, false, false],
    ]);
    expect((await failed(store.create("k", "x")))[1]).toBe(refusal);
    expect(asked().slice(4)).toEqual(Array(4).fill("PUT /b/k"));
  });

  test("is in the list in the order of keys", async () => {
    answers = [listing("p/q/c", "p/q/a", "p/q/b/x", "p/q/B")];
    const found = await s3Place(scripted({ prefix: "p" })).list("q/");
    expect(found.map(({ key }) => key)).toEqual(["q/B", "q/a", "q/b/x", "q/c"]);
    expect(asked()).toEqual(["GET /b?list-type=2&encoding-type=url&prefix=p/q/"]);
  });
});

describe("a request", () => {
  const get = (store = s3Place(scripted())) => store.get("k");

  test("is tried four times, after growing pauses, and then fails at once for a second", async () => {
    vi.spyOn(Math, "random").mockReturnValue(0.5);
    answers = [500, 429, 599, 503];
    const store = s3Place(scripted());
    const away = ["unavailable", "the store does not answer", "s3://b/ does not answer (GET k: 503)"];
    expect(await failed(get(store))).toEqual(away);
    expect(waits.filter((ms) => ms !== 10_000)).toEqual([100, 200, 400]);
    // The store has no longer than ten seconds for each piece of an answer.
    expect(waits.filter((ms) => ms === 10_000).length).toBeGreaterThanOrEqual(4);
    now += 999;
    expect(await failed(get(store))).toEqual(away);
    expect(requests).toHaveLength(4);
    now += 1;
    answers = [404];
    expect(await get(store)).toBe(null);
    expect(requests).toHaveLength(5);
  });

  test.each<[Answer, string, string]>([
    [507, "insufficient_storage", "the store is full; ask its operator to make room"],
    [[403, "<Code>QuotaExceeded</Code>"], "insufficient_storage", "the store is full; ask its operator to make room"],
    [[500, "<Code>StorageFull</Code>"], "insufficient_storage", "the store is full; ask its operator to make room"],
    [403, "unavailable", refusal],
    [428, "unavailable", refusal],
    [430, "unavailable", refusal],
    [499, "unavailable", refusal],
  ])("that is answered with %j fails at once: %s, %s", async (answer, code, message) => {
    answers = [answer];
    expect((await failed(get())).slice(0, 2)).toEqual([code, message]);
    expect(requests).toHaveLength(1);
  });

  test.each<[Error, string]>([
    [new TypeError("fetch failed", { cause: { code: "ECONNREFUSED", message: "inner" } }), "ECONNREFUSED"],
    [new TypeError("fetch failed", { cause: { message: "inner" } }), "inner"],
    [new TypeError("fetch failed", { cause: { message: "" } }), "fetch failed"],
    [new TypeError("fetch failed"), "fetch failed"],
  ])("that breaks is tried again; its reason is the most specific one: %o", async (error, reason) => {
    answers = Array(4).fill(error);
    expect((await failed(get()))[2]).toBe(`s3://b/ does not answer (${reason})`);
    answers = [error, [200, "a"]];
    expect((await get(s3Place(scripted())))?.length).toBe(1);
  });
});

describe("a place in a bucket", () => {
  const wanted = [{ name: "x", size: 2, tag: '"t"' }];
  const whole: Answer = [200, "ab", { ETag: '"t"' }];

  test.each<[string, Answer[], boolean]>([
    ["all is as it was listed", [whole, listing("f/x")], true],
    ["the store sends no tag", [[200, "ab"], listing("f/x")], true],
    ["a file is gone", [404], false],
    ["a file has changed", [412], false],
    ["a file has another length", [[200, "abc", { ETag: '"t"' }]], false],
    ["a file has another tag", [[200, "ab", { ETag: '"u"' }]], false],
    ["the folder is gone", [whole, listing()], false],
  ])("gives files if %s: %#", async (_, given, isRead) => {
    answers = [...given];
    const contents = await s3Place(scripted()).read("f", wanted);
    expect(contents).toEqual(isRead ? [new TextEncoder().encode("ab")] : null);
    expect(requests[0].headers["If-Match"]).toBe('"t"');
    expect(answers).toEqual([]);
  });

  test("has the files of a folder, or null if it has none", async () => {
    answers = [listing("f/", "f/x"), listing("f/"), listing()];
    const place = s3Place(scripted());
    expect(await place.files("f")).toEqual([{ name: "x", size: 7, tag: '"t"' }]);
    expect([await place.files("f"), await place.files("f")]).toEqual([null, null]);
  });

  test("lists adapters, but not those within others, of jobs or of paths that cannot be asked for", async () => {
    const paths = ["b", "a", "a/in/side", "b2/in", ".fine-tuning/runs/r", "c/../d", "/e", "f/g", "f"];
    answers = [
      listing(
        "readme",
        "adapter_config.json",
        "x/adapter_config.json.bak",
        ...paths.map((path) => `${path}/adapter_config.json`),
      ),
    ];
    expect(await s3Place(scripted()).adapters()).toEqual(["a", "b", "b2/in", "f"]);
  });

  test("reads its manifest only if it has changed", async () => {
    answers = [[200, "{}", { ETag: "t" }], 304, 404, [200, "{}"]];
    const place = s3Place(scripted());
    expect(await place.readManifest()).toEqual({ text: "{}", tag: "t" });
    expect([await place.readManifest("t"), await place.readManifest("u")]).toEqual(["same", null]);
    expect(requests.map(({ headers }) => headers["If-None-Match"])).toEqual([undefined, "t", "u"]);
    expect((await failed(place.readManifest()))[1]).toBe("the store sends no ETag");
  });
});

test("a large content has the same hash as in Node", async () => {
  for (const size of [0, 2 ** 18, 2 ** 18 + 1, 300_000]) {
    const bytes = Uint8Array.from({ length: size }, (_, i) => i * 7 + (i >> 9));
    expect(await sha256(bytes)).toBe(createHash("sha256").update(bytes).digest("hex"));
  }
});

test.each([
  [true, 1],
  [false, 0],
  [undefined, 0],
])("work in the background (%s) does not keep the process alive", (background, times) => {
  const unref = vi.fn();
  const timer = vi.spyOn(globalThis, "setTimeout").mockReturnValue({ unref } as never);
  systemClock.after(50, () => undefined, background);
  expect(unref).toHaveBeenCalledTimes(times);
  // Timers of a page are plain ids.
  timer.mockReturnValue(7 as never);
  systemClock.after(50, () => undefined, background);
  expect(timer.mock.calls.map(([, ms]) => ms)).toEqual([50, 50]);
});
