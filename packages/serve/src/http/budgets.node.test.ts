import { createHash } from "node:crypto";
import { expect, test } from "vitest";
import { post } from "../testing/post.ts";
import { ScriptedEngine } from "../testing/scriptedEngine.ts";
import type { ApiKey } from "./app/apiKeys.ts";
import { createApp } from "./createApp.ts";
import { promMetrics } from "./metrics/promMetrics.ts";

const sha256 = (key: string) => createHash("sha256").update(key).digest("hex");
const bearer = (key: string) => ({ authorization: `Bearer ${key}` });
const completion = { model: "test-base", prompt: "one two", max_tokens: 3 };

function start(budgets: ApiKey["budgets"] = {}, delay = 30) {
  const keys = [
    { id: "red", sha256: sha256("red"), budgets },
    { id: "blue", sha256: sha256("blue"), operator: true },
  ];
  const engine = new ScriptedEngine({ delay });
  return createApp({ engine, keys, metrics: promMetrics() });
}

test("16 requests of 16 sequences of one key leave places for another", async () => {
  const app = start();
  const greedy = Array.from({ length: 16 }, () =>
    post(app, "/v1/completions", { ...completion, n: 16 }, bearer("red")),
  );
  const other = await post(app, "/v1/completions", completion, bearer("blue"));
  expect(other.status).toBe(200);
  const statuses = (await Promise.all(greedy)).map(({ status }) => status);
  expect([
    statuses.filter((status) => status === 200).length,
    statuses.filter((status) => status === 429).length,
  ]).toEqual([8, 8]);
});

test("headers of answers and refusals have the remaining budget, and /metrics shows it to operators", async () => {
  const app = start({ requests: 2, tokensPerMinute: 20 });
  const ask = (more = {}) => post(app, "/v1/completions", { ...completion, ...more }, bearer("red"));
  const running = ask();
  await new Promise((resolve) => setTimeout(resolve, 10));
  const metrics = await (await app.request("/metrics", { headers: bearer("blue") })).text();
  expect(metrics).toContain('lowrank_key_budget_used{key="red",budget="requests"} 1');
  expect(metrics).toContain('lowrank_key_budget_limit{key="red",budget="requests"} 2');
  expect(metrics).toContain('lowrank_key_budget_used{key="red",budget="tokens-per-minute"} 5');
  const first = await running;
  expect([first.status, first.headers.get("x-ratelimit-limit-requests")]).toEqual([200, "2"]);
  expect(first.headers.get("x-ratelimit-remaining-tokens")).toBe("15");
  const many = await ask({ n: 2, max_tokens: 9 });
  expect([many.status, (await many.json()).error]).toEqual([
    429,
    expect.objectContaining({ type: "rate_limit_error", code: "rate_limit_exceeded" }),
  ]);
  expect(Number(many.headers.get("retry-after"))).toBeGreaterThan(10);
  expect(many.headers.get("x-ratelimit-limit-tokens")).toBe("20");
  const never = await ask({ n: 3 });
  expect([never.status, (await never.json()).error.code]).toEqual([400, "over_budget"]);
  const models = await app.request("/v1/models", { headers: bearer("red") });
  expect(models.headers.get("x-ratelimit-limit-requests")).toBeNull();
});

test("a request that fails before its first token gives its tokens back", async () => {
  const keys = [{ id: "red", sha256: sha256("red"), budgets: { tokensPerMinute: 20 } }];
  const engine = new ScriptedEngine({ failure: new Error("broken") });
  const app = createApp({ engine, keys });
  const response = await post(app, "/v1/completions", completion, bearer("red"));
  expect([response.status, response.headers.get("x-ratelimit-remaining-tokens")]).toEqual([500, "20"]);
});

test.each([
  ["generate", "/v1/completions", completion],
  ["embed", "/v1/embeddings", { model: "test-base", input: ["a", "b", "c"] }],
] as const)("a key without tokens left is refused before its prompt is tokenized: %s", async (task, path, body) => {
  const keys = [{ id: "red", sha256: sha256("red"), budgets: { tokensPerMinute: 5 } }];
  const engine = new ScriptedEngine({ task });
  let read = 0;
  engine.tokenize = async () => {
    read += 1;
    return [1];
  };
  const app = createApp({ engine, keys });
  const ask = () => post(app, path, body, bearer("red"));
  expect((await ask()).status).toBe(200);
  const before = read;
  const refused = await ask();
  const { code, message } = (await refused.json()).error;
  expect([refused.status, code, read]).toEqual([429, "rate_limit_exceeded", before]);
  expect(message).toBe("This key has used all of its 5 tokens per minute. Try again later.");
});

test("embeddings count against the same budgets", async () => {
  const keys = [{ id: "red", sha256: sha256("red"), budgets: { tokensPerMinute: 5, requests: 3 } }];
  const app = createApp({ engine: new ScriptedEngine({ task: "embed" }), keys });
  const embed = (input: string[]) => post(app, "/v1/embeddings", { model: "test-base", input }, bearer("red"));
  expect((await embed(["a b", "c"])).headers.get("x-ratelimit-remaining-tokens")).toBe("1");
  expect((await embed(["a b"])).status).toBe(429);
  expect((await embed(["a", "b", "c", "d"])).status).toBe(400);
});

test("the OpenAPI document has the headers of budgets", async () => {
  const { paths } = await (await start().request("/openapi.json")).json();
  const { headers } = paths["/v1/completions"].post.responses["200"];
  expect(Object.keys(headers)).toContain("x-ratelimit-remaining-tokens");
  expect(paths["/v1/models"].get.responses["200"].headers).toBeUndefined();
});
