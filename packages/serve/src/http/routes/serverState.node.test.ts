import { readFileSync } from "node:fs";
import { expect, test } from "vitest";
import { events, post } from "../../testing/post.ts";
import { ScriptedEngine } from "../../testing/scriptedEngine.ts";
import { createApp } from "../index.ts";

const keys = [{ id: "acme", sha256: "0".repeat(64) }];
const asked = { model: "test-base", prompt: "Once upon" };

test("/version is the package's, and needs no key", async () => {
  const { version } = JSON.parse(readFileSync(new URL("../../../package.json", import.meta.url), "utf8"));
  const response = await createApp({ engine: new ScriptedEngine(), keys }).request("/version");
  expect(await response.json()).toEqual({ version });
});

test("/ping answers GET and POST without a key, with 503 once the engine has ended", async () => {
  const engine = new ScriptedEngine();
  const app = createApp({ engine, keys });
  const statuses = async () => {
    return [await app.request("/ping"), await app.request("/ping", { method: "POST" })].map(({ status }) => status);
  };
  expect(await statuses()).toEqual([200, 200]);
  engine.model = async () => Promise.reject(new Error("ended"));
  expect(await statuses()).toEqual([503, 503]);
});

test("/load counts the answers under way, streams to their end, and needs a key", async () => {
  const app = createApp({ engine: new ScriptedEngine({ delay: 30 }) });
  const load = async () => (await (await app.request("/load")).json()).server_load;
  expect(await load()).toBe(0);
  const whole = post(app, "/v1/completions", asked);
  const stream = await post(app, "/v1/completions", { ...asked, stream: true });
  expect(await load()).toBe(2);
  await whole;
  await events(stream);
  await post(app, "/v1/completions", { ...asked, prompt: 5 });
  expect(await load()).toBe(0);
  expect((await createApp({ engine: new ScriptedEngine(), keys }).request("/load")).status).toBe(401);
});

test("a client's x-request-id is the answer's, its log line's and part of its id", async () => {
  const lines: { id: string }[] = [];
  const write = (fields: object) => void lines.push(fields as { id: string });
  const app = createApp({ engine: new ScriptedEngine(), logger: { info: write, warn: write, error: write } });
  const id = "Root=1-67891233:abc/d.e_f+g@h";
  const response = await post(app, "/v1/completions", asked, { "x-request-id": id });
  expect(response.headers.get("x-request-id")).toBe(id);
  expect((await response.json()).id).toBe(`cmpl-${id}`);
  await new Promise((resolve) => setTimeout(resolve));
  expect(lines.map((line) => line.id)).toEqual([id]);
});

test("an x-request-id that is too long, or has other characters, is refused and not returned", async () => {
  const app = createApp({ engine: new ScriptedEngine() });
  for (const id of ["x".repeat(129), "a b", "a,b", '"', "é", "<b>"]) {
    const response = await post(app, "/v1/completions", asked, { "x-request-id": id });
    expect([id, response.status]).toEqual([id, 400]);
    expect((await response.json()).error).toMatchObject({ code: "invalid_request_id", param: "x-request-id" });
    expect(response.headers.get("x-request-id")).toMatch(/^[0-9a-f]{32}$/);
  }
  expect((await post(app, "/v1/completions", asked, { "x-request-id": "x".repeat(128) })).status).toBe(200);
});
