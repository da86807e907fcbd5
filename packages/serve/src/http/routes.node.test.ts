import { createHash } from "node:crypto";
import { describe, expect, test } from "vitest";
import { version } from "../api/version.ts";
import { post } from "../testing/post.ts";
import { ScriptedEngine } from "../testing/scriptedEngine.ts";
import { createApp } from "./index.ts";
import { promMetrics } from "./metrics/promMetrics.ts";

const sha256 = (key: string) => createHash("sha256").update(key).digest("hex");
const bearer = (key: string) => ({ authorization: `Bearer ${key}` });

describe("/v1/models", () => {
  test("lists the base and adapters with vLLM's fields", async () => {
    const app = createApp({ engine: new ScriptedEngine({ adapters: ["poet"] }) });
    const base = {
      id: "test-base",
      object: "model",
      created: 1_700_000_000,
      owned_by: "lowrank",
      root: "test-base",
      parent: null,
      max_model_len: 2048,
      lowrank: { task: "generate", chat_template: true },
    };
    const poet = { ...base, id: "poet", root: "adapters/poet", parent: "test-base" };
    const list = await app.request("/v1/models");
    expect(await list.json()).toEqual({ object: "list", data: [base, poet] });
    expect(await (await app.request("/v1/models/poet")).json()).toEqual(poet);
  });

  test("finds names with a slash, and says that others do not exist", async () => {
    const app = createApp({ engine: new ScriptedEngine({ adapters: ["org/poet"] }) });
    expect((await app.request("/v1/models/org/poet")).status).toBe(200);
    expect((await app.request("/v1/models/org%2Fpoet")).status).toBe(200);
    const missing = await app.request("/v1/models/nobody");
    expect(missing.status).toBe(404);
    expect((await missing.json()).error.message).toBe("The model `nobody` does not exist.");
  });
});

test("adapters of other tenants are not there, nor one that has the base model's name", async () => {
  const engine = new ScriptedEngine({ adapters: ["poet", "test-base", "shared"] });
  const [poet, ...others] = await engine.adapters();
  engine.adapters = async () => [{ ...poet, tenants: ["acme"] }, ...others];
  const keys = ["acme", "other"].map((id) => ({ id, sha256: sha256(`${id}-key`) }));
  const app = createApp({ engine, keys });
  const seen = async (id: string) => {
    const headers = bearer(`${id}-key`);
    const { data } = await (await app.request("/v1/models", { headers })).json();
    const { status } = await post(app, "/tokenize", { model: "poet", prompt: "a" }, headers);
    return [...data.map((model: { id: string }) => model.id), status];
  };
  expect(await seen("acme")).toEqual(["test-base", "poet", "shared", 200]);
  expect(await seen("other")).toEqual(["test-base", "shared", 404]);
});

describe("/v1/embeddings", () => {
  const start = () => createApp({ engine: new ScriptedEngine({ task: "embed" }) });
  test("gives numbers, or their bytes", async () => {
    const asked = { model: "test-base", input: ["ab", "abc"] };
    const response = await post(start(), "/v1/embeddings", asked);
    expect(await response.json()).toEqual({
      object: "list",
      data: [
        { object: "embedding", index: 0, embedding: [2, 0.5, -1] },
        { object: "embedding", index: 1, embedding: [3, 0.5, -1] },
      ],
      model: "test-base",
      usage: { prompt_tokens: 4, total_tokens: 4 },
    });
    const coded = await post(start(), "/v1/embeddings", { ...asked, input: [7], encoding_format: "base64" });
    const { data } = await coded.json();
    const bytes = Buffer.from(data[0].embedding, "base64");
    expect([bytes.length, ...[0, 4, 8].map((at) => bytes.readFloatLE(at))]).toEqual([12, 1, 0.5, -1]);
  });

  test("refuses shorter ones, no input, and models of text", async () => {
    const refused = async (fields: object, app = start()) => {
      const response = await post(app, "/v1/embeddings", { model: "test-base", input: "a", ...fields });
      return [response.status, (await response.json()).error.param];
    };
    expect(await refused({ dimensions: 3 })).toEqual([400, "dimensions"]);
    expect(await refused({ input: "" })).toEqual([400, "input"]);
    expect(await refused({ model: "nobody" })).toEqual([404, "model"]);
    expect(await refused({}, createApp({ engine: new ScriptedEngine() }))).toEqual([400, "model"]);
  });
});

describe("/tokenize and /detokenize", () => {
  test("have vLLM's bodies", async () => {
    const app = createApp({ engine: new ScriptedEngine() });
    const whole = { count: 2, max_model_len: 2048, tokens: [4, 5], token_strs: null };
    expect(await (await post(app, "/tokenize", { prompt: "Once upon" })).json()).toEqual(whole);
    const chat = { model: "test-base", messages: [{ role: "user", content: "Once upon" }] };
    expect(await (await post(app, "/tokenize", chat)).json()).toEqual(whole);
    expect(await (await post(app, "/detokenize", { tokens: [1, 2] })).json()).toEqual({ prompt: "x xx" });
  });

  test("refuse what they cannot do", async () => {
    const app = createApp({ engine: new ScriptedEngine() });
    expect((await post(app, "/tokenize", {})).status).toBe(400);
    expect((await post(app, "/tokenize", { prompt: "a", return_token_strs: true })).status).toBe(400);
    expect((await post(app, "/tokenize", { prompt: "a", model: "nobody" })).status).toBe(404);
    expect((await post(app, "/detokenize", { tokens: [-1] })).status).toBe(400);
  });
});

describe("vLLM's routes for adapters", () => {
  const load = "/v1/load_lora_adapter";
  const unload = "/v1/unload_lora_adapter";
  const start = () => {
    const engine = new ScriptedEngine({ adapters: ["poet"] });
    return { engine, app: createApp({ engine }) };
  };

  test("load and unload in its words", async () => {
    const { app, engine } = start();
    const loaded = await post(app, load, { lora_name: "x", lora_path: "adapters/x" });
    expect(loaded.status).toBe(200);
    expect(loaded.headers.get("content-type")).toMatch(/^text\/plain/);
    expect(await loaded.text()).toBe("Success: LoRA adapter 'x' added successfully.");
    await post(app, load, { lora_name: "x", lora_path: "adapters/y", load_inplace: true, pin: true });
    const by = expect.objectContaining({ tenant: "", operator: true });
    expect(engine.loads.at(-1)).toEqual(["x", "adapters/y", { replace: true, pin: true, by }]);
    const removed = await post(app, unload, { lora_name: "x", lora_int_id: 3 });
    expect([removed.status, await removed.text()]).toEqual([200, "Success: LoRA adapter 'x' removed successfully."]);
  });

  const already = (name: string) =>
    `The lora adapter '${name}' has already been loaded. If you want to load the adapter in place, set 'load_inplace' to True.`;
  test.each([
    [load, {}, 400, "InvalidUserInput", "Both 'lora_name' and 'lora_path' must be provided."],
    [load, { lora_name: "x" }, 400, "InvalidUserInput", "Both 'lora_name' and 'lora_path' must be provided."],
    [load, { lora_name: "poet", lora_path: "p" }, 400, "InvalidUserInput", already("poet")],
    [load, { lora_name: "test-base", lora_path: "p" }, 400, "InvalidUserInput", already("test-base")],
    [load, { lora_name: "x", lora_path: "nowhere" }, 404, "NotFoundError", "No adapter found for nowhere"],
    [load, { lora_name: "x", lora_path: "bad" }, 400, "BadRequestError", "lora_A.weight has NaN"],
    [unload, {}, 400, "InvalidUserInput", "'lora_name' needs to be provided to unload a LoRA adapter."],
    [unload, { lora_name: "x" }, 404, "NotFoundError", "The lora adapter 'x' cannot be found."],
  ])("%s with %j is %i", async (path, body, status, type, message) => {
    const response = await post(start().app, path, body);
    expect(response.status).toBe(status);
    expect(await response.json()).toEqual({ error: { message, type, param: null, code: status } });
  });

  test("need a key that may administrate, and load names of that key alone", async () => {
    const engine = new ScriptedEngine({ adapters: ["poet"] });
    const keys = [
      { id: "user", sha256: sha256("user-key") },
      { id: "admin", sha256: sha256("admin-key"), admin: true, adapters: ["team-*"] },
    ];
    const app = createApp({ engine, keys });
    const body = { lora_name: "team-x", lora_path: "adapters/x" };
    expect((await post(app, load, body)).status).toBe(401);
    expect((await post(app, load, body, bearer("user-key"))).status).toBe(403);
    expect((await post(app, unload, { lora_name: "poet" }, bearer("user-key"))).status).toBe(403);
    expect((await post(app, load, { ...body, lora_name: "x" }, bearer("admin-key"))).status).toBe(403);
    expect((await post(app, unload, { lora_name: "poet" }, bearer("admin-key"))).status).toBe(404);
    expect((await post(app, load, body, bearer("admin-key"))).status).toBe(200);
  });
});

describe("the server's state", () => {
  test("health and readiness need no key", async () => {
    const keys = [{ id: "a", sha256: sha256("a-key") }];
    const app = createApp({ engine: new ScriptedEngine(), keys });
    expect(await (await app.request("/health")).json()).toEqual({ status: "ready" });
    expect((await app.request("/ready")).status).toBe(200);
    expect((await app.request("/metrics")).status).toBe(401);
  });

  test("an engine that is loading is healthy and not ready; one that has ended is neither", async () => {
    const engine = new ScriptedEngine();
    engine.model = () => new Promise(() => {});
    const app = createApp({ engine });
    const statuses = async () => [(await app.request("/health")).status, (await app.request("/ready")).status];
    expect(await statuses()).toEqual([200, 503]);
    engine.model = () => Promise.reject(new Error("the Worker has ended"));
    expect(await statuses()).toEqual([503, 503]);
  });

  test("metrics have the engine's numbers and those of requests, with few labels", async () => {
    const engine = new ScriptedEngine({ adapters: ["poet", "judge"] });
    const app = createApp({ engine, metrics: promMetrics({ adapterLabels: 1 }) });
    const messages = [{ role: "user", content: "Say hello" }];
    for (const model of ["poet", "judge", "nobody"]) {
      await (await post(app, "/v1/chat/completions", { model, messages })).text();
    }
    const response = await app.request("/metrics");
    expect(response.headers.get("content-type")).toMatch(/^text\/plain; version=0.0.4/);
    const text = await response.text();
    for (const line of [
      'vllm:generation_tokens_total{model_name="test-base"} 5',
      'vllm:kv_cache_usage_perc{model_name="test-base"} 0.03125',
      "lowrank_adapter_evictions_total 1",
      "lowrank_adapter_failures_total 4",
      "lowrank_cache_pages_used 2",
      'vllm:request_success_total{model_name="test-base",adapter="poet",finished_reason="stop"} 1',
      'vllm:request_success_total{model_name="test-base",adapter="other",finished_reason="stop"} 1',
      'lowrank_adapter_generated_tokens_total{adapter="poet"} 3',
      'vllm:time_to_first_token_seconds_count{model_name="test-base",adapter="poet"} 1',
      'vllm:inter_token_latency_seconds_count{model_name="test-base",adapter="poet"} 2',
      'vllm:request_queue_time_seconds_bucket{model_name="test-base",adapter="poet",le="0.5"} 1',
      'vllm:request_queue_time_seconds_sum{model_name="test-base",adapter="poet"} 0.3',
      'vllm:e2e_request_latency_seconds_count{model_name="test-base",adapter="poet"} 1',
      `lowrank_build_info{version="${version}",model="test-base"} 1`,
      'lowrank_http_requests_total{route="/v1/chat/completions",status="200"} 2',
      'lowrank_http_requests_total{route="/v1/chat/completions",status="404"} 1',
    ]) {
      expect(text.split("\n")).toContain(line);
    }
    expect(text).not.toContain("nobody");
    // Reading counters twice does not change them.
    expect(await (await app.request("/metrics")).text()).toContain(
      'vllm:generation_tokens_total{model_name="test-base"} 5\n',
    );
  });

  test("/stats shows an operator all requests, and each other key its own", async () => {
    const engine = new ScriptedEngine({ adapters: ["poet"], delay: 60_000 });
    const keys = [
      { id: "a", sha256: sha256("a-key"), adapters: ["x-*"] },
      { id: "b", sha256: sha256("b-key"), admin: true },
      { id: "c", sha256: sha256("c-key"), operator: true },
    ];
    const app = createApp({ engine, keys });
    const leave = new AbortController();
    const chat = { model: "poet", messages: [{ role: "user", content: "x" }], stream: true };
    const headers = { "content-type": "application/json", ...bearer("b-key") };
    const init = { method: "POST", headers, body: JSON.stringify(chat), signal: leave.signal };
    await app.request("/v1/chat/completions", init);
    const watched = async (key: string) => {
      const response = await app.request("/stats", { headers: bearer(key) });
      const reader = (response.body as ReadableStream<Uint8Array>).getReader();
      const { value } = await reader.read();
      await reader.cancel();
      return JSON.parse(new TextDecoder().decode(value).replace(/^data: /, ""));
    };
    const [hidden, seen, whole] = [await watched("a-key"), await watched("b-key"), await watched("c-key")];
    expect(Object.keys(seen)).toEqual(["waiting", "running", "paused", "requests"]);
    expect(seen).toMatchObject({ running: 1, requests: [{ adapter: "poet", state: "decode" }] });
    expect(hidden).toEqual({ waiting: 0, running: 0, paused: 0, requests: [] });
    expect(whole).toMatchObject({ running: 1, passes: 7, requests: [{ tenant: "b", adapter: "poet" }] });
    leave.abort();
    await expect.poll(() => engine.running.size).toBe(0);
  });

  test("requests are logged with their cost, and probes only where they fail", async () => {
    const lines: object[] = [];
    const logger = { info: (fields: object) => void lines.push(fields), warn: () => {}, error: () => {} };
    const app = createApp({ engine: new ScriptedEngine({ adapters: ["poet"] }), logger });
    await app.request("/health");
    await app.request("/metrics");
    await (await post(app, "/v1/completions", { model: "poet", prompt: "Once upon", stream: true })).text();
    const line = {
      route: "/v1/completions",
      method: "POST",
      status: 200,
      adapter: "poet",
      promptTokens: 2,
      newTokens: 3,
    };
    await expect.poll(() => lines).toEqual([expect.objectContaining(line)]);
  });

  test("the OpenAPI document is made of the schemas that check the bodies", async () => {
    const app = createApp({ engine: new ScriptedEngine() });
    const { openapi, paths, components } = await (await app.request("/openapi.json")).json();
    expect(openapi).toBe("3.1.0");
    expect(Object.keys(paths)).toEqual([
      "/v1/chat/completions",
      "/v1/completions",
      "/v1/embeddings",
      "/v1/models",
      "/v1/models/{id}",
      "/tokenize",
      "/detokenize",
      "/v1/load_lora_adapter",
      "/v1/unload_lora_adapter",
      "/health",
      "/ready",
      "/metrics",
      "/stats",
      "/version",
      "/ping",
      "/load",
    ]);
    const { CreateChatCompletionRequest: chat } = components.schemas;
    expect(chat.required).toEqual(["model", "messages"]);
    expect(chat.properties.temperature).toMatchObject({ type: "number", minimum: 0, maximum: 2 });
    expect(chat.additionalProperties).toBe(false);
    const { CreateCompletionRequest: completion } = components.schemas;
    expect(completion.required).toEqual(["model", "prompt"]);
    expect(completion.properties.prompt.type).toEqual(["string", "array"]);
  });

  test("an unknown path is a 404 that says where the routes are listed", async () => {
    const response = await createApp({ engine: new ScriptedEngine() }).request("/v1/images");
    expect(response.status).toBe(404);
    expect((await response.json()).error.message).toContain("/openapi.json");
  });
});
