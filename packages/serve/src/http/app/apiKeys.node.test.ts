import { createHash } from "node:crypto";
import { expect, test } from "vitest";
import { listening } from "../../testing/listening.ts";
import { events, post } from "../../testing/post.ts";
import { ScriptedEngine } from "../../testing/scriptedEngine.ts";
import { createApp, LiveKeys } from "../index.ts";

const sha256 = (key: string) => createHash("sha256").update(key).digest("hex");
const bearer = (key: string) => ({ authorization: `Bearer ${key}-key` });
const key = (id: string, others: object = {}) => ({ id, sha256: sha256(`${id}-key`), ...others });
const chat = { model: "test-base", messages: [{ role: "user", content: "Say hello" }] };
const path = "/v1/chat/completions";

function start(options: ConstructorParameters<typeof ScriptedEngine>[0] = {}) {
  const engine = new ScriptedEngine({ adapters: ["a", "b"], ...options });
  const keys = new LiveKeys([key("red"), key("blue")]);
  return { engine, keys, app: createApp({ engine, keys }) };
}

test("keys come, go and change while the server runs", async () => {
  const { app, keys } = start();
  const status = async (id: string, model = "test-base") =>
    (await post(app, path, { ...chat, model }, bearer(id))).status;
  expect([await status("red"), await status("new")]).toEqual([200, 401]);
  keys.replace([key("new"), key("blue", { adapters: ["a"], base: false })]);
  expect([await status("red"), await status("new"), await status("blue")]).toEqual([401, 200, 404]);
  expect([await status("blue", "a"), await status("blue", "b")]).toEqual([200, 404]);
});

test.each([
  ["an empty list", []],
  ["two keys of one id", [key("red"), { ...key("red"), sha256: sha256("x") }]],
  ["a hash that is none", [{ id: "red", sha256: "abc" }]],
])("%s is refused, and the old keys stay", async (_, next) => {
  const { app, keys } = start();
  expect(() => keys.replace(next)).toThrow("key");
  expect((await post(app, path, chat, bearer("red"))).status).toBe(200);
  expect(keys.keys).toHaveLength(2);
});

test("a running answer of a removed key ends with 401, and answers of other keys go on", async () => {
  const { app, engine, keys } = start({ delay: 200, words: ["a", "b", "c"] });
  const [whole, stream, other] = ["red", "red", "blue"].map((id, i) =>
    post(app, path, { ...chat, stream: i === 1 }, bearer(id)),
  );
  const streamed = events(await stream);
  await expect.poll(() => engine.running.size).toBe(3);
  keys.replace([key("blue")]);
  const { error } = await (await whole).json();
  expect([(await whole).status, error.code]).toEqual([401, "invalid_api_key"]);
  expect((await streamed).at(-2)).toMatchObject({ error: { code: "invalid_api_key" } });
  expect((await other).status).toBe(200);
  expect(engine.running.size).toBe(0);
});

test("the /stats stream of a removed key ends", async () => {
  const { engine, keys } = start();
  await using server = await listening({ engine, keys });
  const response = await fetch(`${server.url}/stats`, { headers: bearer("red") });
  const reader = response.body?.getReader();
  expect((await reader?.read())?.done).toBe(false);
  keys.replace([key("blue")]);
  const read = async () => {
    for (;;) if ((await reader?.read())?.done !== false) return "ended";
  };
  expect(await read()).toBe("ended");
});
