import { createHash } from "node:crypto";
import { describe, expect, test } from "vitest";
import { post } from "../testing/post.ts";
import { ScriptedEngine } from "../testing/scriptedEngine.ts";
import { callerFinder } from "./app/apiKeys.ts";
import { createApp } from "./index.ts";

const sha256 = (key: string) => createHash("sha256").update(key).digest("hex");
const bearer = (key: string) => ({ authorization: `Bearer ${key}` });
const messages = [{ role: "user", content: "Say hello" }];
const keys = [
  { id: "red", sha256: sha256("red-key"), adapters: ["red-*"], base: false },
  { id: "blue", sha256: sha256("blue-key"), adapters: ["blue-*", "shared"] },
];

function start() {
  const engine = new ScriptedEngine({ adapters: ["red-1", "blue-1", "shared"] });
  return { engine, app: createApp({ engine, keys }) };
}

test("a key sees in the list what it may use, and its id is the tenant", async () => {
  const { app, engine } = start();
  const listed = async (key: string) => {
    const { data } = await (await app.request("/v1/models", { headers: bearer(key) })).json();
    return data.map(({ id }: { id: string }) => id);
  };
  expect(await listed("red-key")).toEqual(["red-1"]);
  expect(await listed("blue-key")).toEqual(["test-base", "blue-1", "shared"]);
  await post(app, "/v1/chat/completions", { model: "shared", messages }, bearer("blue-key"));
  expect(engine.requests[0].tenant).toBe("blue");
});

describe("another tenant's adapter, and the base without leave,", () => {
  const routes = [
    ["/v1/chat/completions", { messages }],
    ["/v1/completions", { prompt: "a" }],
    ["/v1/embeddings", { input: "a" }],
    ["/tokenize", { prompt: "a" }],
    ["/detokenize", { tokens: [1] }],
  ] as const;
  test.each(routes)("are not there in %s, to the byte", async (path, body) => {
    const { app, engine } = start();
    const answer = async (model: string) => {
      const response = await post(app, path, { model, ...body }, bearer("red-key"));
      return `${response.status} ${(await response.text()).replaceAll(model, "NAME")}`;
    };
    const unknown = await answer("red-nothing");
    expect(await answer("blue-1")).toBe(
      path === "/v1/embeddings" || path === "/detokenize" ? await answer("blue-9") : unknown,
    );
    expect(await answer("test-base")).toBe(await answer("blue-9"));
    expect(await answer("blue-1")).toMatch(/^404 .*The model `NAME` does not exist/);
    expect(engine.requests.filter(({ adapter }) => adapter !== "red-nothing")).toEqual([]);
  });

  test("are not found by their id", async () => {
    const { app } = start();
    for (const id of ["blue-1", "test-base", "nothing"]) {
      const response = await app.request(`/v1/models/${id}`, { headers: bearer("red-key") });
      expect([response.status, (await response.json()).error.message]).toEqual([
        404,
        `The model \`${id}\` does not exist.`,
      ]);
    }
  });
});

test.each([
  ["no header", {}, "didn't provide"],
  ["a wrong key", bearer("red-kez"), "Incorrect API key"],
  ["the hash itself", bearer(sha256("red-key")), "Incorrect API key"],
  ["an empty key", { authorization: "Bearer " }, "Incorrect API key"],
  ["another scheme", { authorization: "Basic cmVkLWtleQ==" }, "Incorrect API key"],
])("%s is a 401 as OpenAI's", async (_, headers, message) => {
  const { app, engine } = start();
  const response = await post(app, "/v1/chat/completions", { model: "red-1", messages }, headers);
  expect(response.status).toBe(401);
  expect(response.headers.get("www-authenticate")).toBe("Bearer");
  const { error } = await response.json();
  expect(error).toMatchObject({ type: "invalid_request_error", param: null, code: "invalid_api_key" });
  expect(error.message).toContain(message);
  expect(error.message).not.toContain("red-kez");
  expect(engine.requests).toEqual([]);
});

test("a key is checked before its body is read", async () => {
  const { app } = start();
  const body = new ReadableStream({ pull: () => new Promise(() => {}) });
  const headers = { "content-type": "application/json" };
  const response = await app.request("/v1/completions", {
    method: "POST",
    headers,
    body,
    duplex: "half",
  } as RequestInit);
  expect(response.status).toBe(401);
});

test("every key is compared to its last byte, whichever fits", async () => {
  // Counts reads of the hashes: their number must not depend on the given key.
  const reads = { count: 0 };
  const original = Uint8Array.from;
  const spied = (...args: Parameters<typeof Uint8Array.from>) => {
    return new Proxy(original.apply(Uint8Array, args as never), {
      get(target, name) {
        if (typeof name === "string" && /^\d+$/.test(name)) reads.count++;
        return Reflect.get(target, name, target);
      },
    });
  };
  Uint8Array.from = spied as never;
  const find = callerFinder(keys);
  Uint8Array.from = original;
  for (const key of ["red-key", "blue-key", "wrong", ""]) {
    reads.count = 0;
    await find(`Bearer ${key}`);
    expect(reads.count).toBe(64);
  }
});

test.each([
  [[], "the list is empty"],
  [[{ id: "a", sha256: "red-key" }], "key a: sha256 is no SHA-256"],
  [[keys[0], { ...keys[1], id: "RED" }], "key RED: its id is the same as another key's"],
  [
    [keys[0], { ...keys[1], sha256: keys[0].sha256.toUpperCase() }],
    "key blue: its sha256 is the same as another key's",
  ],
])("keys %# are refused at the start", (wrong, message) => {
  expect(() => createApp({ engine: new ScriptedEngine(), keys: wrong })).toThrow(message);
});

test.each<[string, object, string | null]>([
  ["adapters", { operator: true, adapters: ["a"] }, "adapters"],
  ["adapters and the base", { operator: true, adapters: ["a"], base: true }, "adapters"],
  ["no base", { operator: true, base: false }, "base: false"],
  ["the base", { operator: true, base: true }, null],
  ["no limits", { operator: true }, null],
  ["adapters, without being one", { adapters: ["a"], base: false }, null],
])("the key of an operator may not limit itself: %s", (_, more, field) => {
  const make = () => callerFinder([{ id: "op", sha256: sha256("op-key"), ...more }]);
  if (field === null) expect(make).not.toThrow();
  else {
    expect(make).toThrow(
      `key op: operator: true allows every adapter and the base model, but the key also has ${field}; leave ${field} out, or write admin: true instead of operator`,
    );
  }
});

test("a server is shared if it has several keys", async () => {
  const sharedBy = async (count: number) => (await callerFinder(keys.slice(0, count))("Bearer red-key"))?.shared;
  expect([await sharedBy(1), await sharedBy(2)]).toEqual([false, true]);
});
