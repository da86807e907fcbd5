import { createHash } from "node:crypto";
import { describe, expect, test, vi } from "vitest";
import { MemoryStore } from "../../access/testing/memoryStore.ts";
import { ServingError, type ServingErrorCode } from "../../api/api.ts";
import type { KeyBudgets } from "../../budgets/keyBudgets.ts";
import { FileStore } from "../../jobs/fileStore.ts";
import { JobStore } from "../../jobs/jobStore.ts";
import { localQueue } from "../../jobs/localQueue.ts";
import { events, post } from "../../testing/post.ts";
import { ScriptedEngine } from "../../testing/scriptedEngine.ts";
import { createApp } from "../index.ts";

const key = { id: "op", sha256: createHash("sha256").update("op-key").digest("hex"), operator: true };
const headers = { authorization: "Bearer op-key", "content-type": "application/json" };

function start(path: string) {
  const engine = new ScriptedEngine({ task: path === "/v1/embeddings" ? "embed" : "generate", adapters: ["poet"] });
  const { objects } = new MemoryStore();
  const [jobs, files, queue] = [new JobStore(objects), new FileStore(objects), localQueue()];
  const draining = new AbortController();
  const lines: unknown[] = [];
  const write = (fields: object) => void lines.push(fields);
  const app = createApp({
    ...{ engine, keys: [key], draining: draining.signal, fineTuning: { jobs, files, queue } },
    logger: { info: write, warn: write, error: write },
  });
  return { app, engine, draining, lines };
}

const asked = { model: "poet", prompt: "a b" };
const open = "open quiet whileDraining";
test.each<[method: string, path: string, facts: string, body?: object]>([
  ["post", "/v1/chat/completions", "budgeted counted", { model: "poet", messages: [{ role: "user", content: "a" }] }],
  ["post", "/v1/completions", "budgeted counted", asked],
  ["post", "/v1/embeddings", "budgeted counted", { model: "poet", input: "a" }],
  ["get", "/v1/models", ""],
  ["get", "/v1/models/{id}", ""],
  ["post", "/tokenize", "", asked],
  ["post", "/detokenize", "", { tokens: [1] }],
  ["post", "/v1/load_lora_adapter", "", { lora_name: "x", lora_path: "x" }],
  ["post", "/v1/unload_lora_adapter", "", { lora_name: "poet" }],
  ["get", "/health", open],
  ["get", "/ready", open],
  ["get", "/version", open],
  ["get", "/ping", open],
  ["post", "/ping", open],
  ["get", "/metrics", "quiet whileDraining"],
  ["get", "/load", "quiet whileDraining"],
  ["get", "/stats", "whileDraining"],
  ["get", "/v1/files", ""],
  ["get", "/v1/fine_tuning/jobs", ""],
])("%s %s is a route with: %s", async (method, path, text, body) => {
  const facts = text.split(" ").filter((fact) => fact !== "");
  const { app, engine, draining, lines } = start(path);
  const url = path.replace("{id}", "poet");
  const init = { method: method.toUpperCase(), headers, body: body && JSON.stringify(body) };
  const loads: number[] = [];
  const model = engine.model.bind(engine);
  // Open routes report an engine that does not answer at once.
  engine.model = async () => {
    if (facts.includes("open")) return model();
    loads.push((await (await app.request("/load", { headers })).json()).server_load);
    return model();
  };
  const response = await app.request(url, init);
  expect(response.status).toBe(200);
  if (path === "/stats") await response.body?.cancel();
  else await response.text();
  await new Promise((resolve) => setImmediate(resolve));
  expect(lines).toHaveLength(facts.includes("quiet") ? 0 : 1);
  expect(await (await app.request("/load", { headers })).json()).toEqual({ server_load: 0 });
  expect(new Set(loads)).toEqual(new Set(loads.length === 0 ? [] : [facts.includes("counted") ? 1 : 0]));
  const limits = [...response.headers.keys()].filter((name) => name.startsWith("x-ratelimit-"));
  const rates = ["limit", "remaining", "reset"].map((what) => `x-ratelimit-${what}-requests`);
  expect(limits).toEqual(facts.includes("budgeted") ? rates : []);
  const anonymous = await app.request(url, { ...init, headers: { "content-type": "application/json" } });
  expect(anonymous.status).toBe(facts.includes("open") ? 200 : 401);

  const { paths } = await (await app.request("/openapi.json")).json();
  const { security, requestBody, responses } = paths[path][method];
  expect(security).toEqual(facts.includes("open") ? [] : [{ bearer: [] }]);
  expect(requestBody?.required).toBe(body && true);
  const documented = ["requests", "tokens"].flatMap((what) => rates.map((name) => name.replace("requests", what)));
  expect(Object.keys(responses["200"].headers ?? {})).toEqual(facts.includes("budgeted") ? documented : []);
  expect(Object.keys(responses)).toEqual(["200", "default"]);

  draining.abort();
  const late = await app.request(url, init);
  const refused = late.headers.get("retry-after") === "5" && (await late.json()).error.code === "draining";
  expect([late.status === 503 && path !== "/ready", refused]).toEqual(
    facts.includes("whileDraining") ? [false, false] : [true, true],
  );
});

test("the OpenAPI document has the limits of fields", async () => {
  const { app } = start("");
  const { components, paths } = await (await app.request("/openapi.json")).json();
  const found = Object.entries<{ properties: object }>(components.schemas).flatMap(([schema, { properties }]) =>
    Object.entries(properties).flatMap(([name, { minimum, maximum, deprecated }]) => {
      const limits = [minimum, maximum, deprecated].filter((limit) => limit !== undefined);
      return limits.length === 0 ? [] : [[`${schema.replace(/^Create|Request$/g, "")}.${name}`, ...limits]];
    }),
  );
  for (const limits of [
    ["ChatCompletion.max_completion_tokens", 1],
    ["ChatCompletion.top_logprobs", 0, 20],
    ["Completion.logprobs", 0, 20],
    ["Embedding.truncate_prompt_tokens", -1],
    ["FineTuningJob.hyperparameters", true],
  ]) {
    expect(found).toContainEqual(limits);
  }
  expect(components.schemas.DetokenizeRequest.properties.tokens.items.minimum).toBe(0);
  expect(components.securitySchemes).toEqual({ bearer: { type: "http", scheme: "bearer" } });
  expect(paths["/v1/files"].post.requestBody.required).toBe(true);
});

/** Starts a server whose only key has these budgets. Without a key, the caller is an operator. */
function budgeted(budgets: Partial<KeyBudgets>, options: ConstructorParameters<typeof ScriptedEngine>[0] = {}) {
  const engine = new ScriptedEngine(options);
  const { objects } = new MemoryStore();
  const [jobs, files, queue] = [new JobStore(objects), new FileStore(objects), localQueue()];
  return { engine, app: createApp({ engine, budgets, fineTuning: { jobs, files, queue } }) };
}

describe("tokens of a key's budget", () => {
  /** Returns the tokens that are left. The answer is a refusal, which uses none. */
  const left = async (app: ReturnType<typeof createApp>) =>
    Number((await post(app, "/v1/completions", {})).headers.get("x-ratelimit-remaining-tokens"));
  const embedded = async (app: ReturnType<typeof createApp>, input: unknown) => {
    const response = await post(app, "/v1/embeddings", { model: "test-base", input });
    return [response.status, (await response.json()).error?.message.split(",")[0]];
  };

  test("are those of all inputs of embeddings, each as long as the model takes", async () => {
    const { app } = budgeted({ tokensPerMinute: 5 }, { task: "embed" });
    expect(await embedded(app, ["a b c", "d e f"])).toEqual([400, "The request may use 6 tokens"]);
    expect(
      await embedded(app, [
        [1, 2, 3],
        [4, 5, 6, 7],
      ]),
    ).toEqual([400, "The request may use 7 tokens"]);
    expect(await embedded(app, ["a b c", "d e"])).toEqual([200, undefined]);
    // The engine used two tokens for each input.
    expect(await left(app)).toBe(1);
    const long = budgeted({ tokensPerMinute: 2047 }, { task: "embed" });
    expect(await embedded(long.app, [Array(2500).fill(1)])).toEqual([400, "The request may use 2048 tokens"]);
  });

  test("are not counted without a limit", async () => {
    const { app, engine } = budgeted({}, { task: "embed" });
    const tokenized = vi.spyOn(engine, "tokenize");
    expect(await embedded(app, "a b")).toEqual([200, undefined]);
    expect(tokenized).not.toHaveBeenCalled();
  });

  test("are free again after embeddings that failed, and are not used by uploads and tokenization", async () => {
    const { app, engine } = budgeted({ tokensPerMinute: 60, files: 1 }, { task: "embed" });
    engine.embed = async () => Promise.reject(new Error("broken"));
    expect((await embedded(app, "a b"))[0]).toBe(500);
    expect(await left(app)).toBe(60);
    for (const [path, body] of [
      ["/tokenize", { prompt: "a" }],
      ["/detokenize", { tokens: [1] }],
    ] as const) {
      expect((await post(app, path, body)).status).toBe(200);
    }
    const form = new FormData();
    form.set("purpose", "fine-tune");
    form.set("file", new Blob(['{"text": "a"}\n']), "a.jsonl");
    expect((await app.request("/v1/files", { method: "POST", body: form })).status).toBe(200);
    // The key has its one file.
    expect((await app.request("/v1/files", { method: "POST", body: form })).status).toBe(400);
    expect(await left(app)).toBe(60);
  });
});

describe("token ids and log-probabilities", () => {
  const messages = [{ role: "user", content: "Say hello" }];
  const { app } = budgeted({});
  const inChat = (more: object) => post(app, "/v1/chat/completions", { model: "test-base", messages, ...more });

  test("of a streamed chat's prompt are in the first chunk of the first choice", async () => {
    const chunks = await events(await inChat({ n: 2, stream: true, return_token_ids: true }));
    const opening = chunks.filter((chunk) => chunk.choices?.[0].delta.role);
    expect(opening.map((chunk) => [chunk.choices[0].index, chunk.prompt_token_ids])).toEqual([
      [0, [0, 1]],
      [1, undefined],
    ]);
  });

  test("of an echoed prompt are not those of the answer", async () => {
    const asked = { model: "test-base", prompt: "Once upon", echo: true, prompt_logprobs: 0, max_tokens: 1 };
    const { choices } = await (await post(app, "/v1/completions", asked)).json();
    expect(choices[0]).toMatchObject({ text: "Once uponHello", logprobs: null });
    expect(choices[0].prompt_logprobs).toEqual([null, { "1": { logprob: -0.25, rank: 7, decoded_token: " upon" } }]);
  });

  test("echo of a chat is refused, unless it is false", async () => {
    expect((await inChat({ echo: false })).status).toBe(200);
    const refused = await inChat({ echo: true });
    expect([refused.status, (await refused.json()).error.param]).toEqual([400, "echo"]);
  });
});

describe("an adapter that cannot be loaded", () => {
  test.each<[ServingErrorCode, number, string, string | number]>([
    ["invalid_request", 400, "BadRequestError", 400],
    ["adapter_refused", 400, "BadRequestError", 400],
    ["not_found", 404, "NotFoundError", 404],
    ["already_loaded", 400, "InvalidUserInput", 400],
    ["forbidden", 403, "permission_error", "forbidden"],
    ["queue_full", 429, "rate_limit_error", "rate_limit_exceeded"],
    ["unavailable", 503, "server_error", "unavailable"],
    ["insufficient_storage", 507, "server_error", "insufficient_storage"],
    ["timeout", 504, "server_error", "timeout"],
  ])("for the reason %s is answered with %i %s", async (code, status, type, shown) => {
    const { app, engine } = budgeted({});
    engine.loadAdapter = async () => Promise.reject(new ServingError(code, "no"));
    const response = await post(app, "/v1/load_lora_adapter", { lora_name: "x", lora_path: "y" });
    expect(response.status).toBe(status);
    expect((await response.json()).error).toMatchObject({ type, code: shown });
  });

  test("since it is a 3D weight, is refused", async () => {
    const { app } = budgeted({});
    const body = { lora_name: "x", lora_path: "y", is_3d_lora_weight: true };
    const response = await post(app, "/v1/load_lora_adapter", body);
    expect([response.status, (await response.json()).error.param]).toEqual([400, "is_3d_lora_weight"]);
    expect((await post(app, "/v1/load_lora_adapter", { ...body, is_3d_lora_weight: false })).status).toBe(200);
  });
});

test("the folder of a job's model is not shown, not even to an operator", async () => {
  const { app, engine } = budgeted({});
  await engine.loadAdapter("ft:a", ".fine-tuning/runs/ftjob-1/adapter");
  await engine.loadAdapter("poet", "adapters/poet");
  const { data } = await (await app.request("/v1/models")).json();
  expect(data.map(({ id, root }: { id: string; root: string }) => [id, root])).toEqual([
    ["test-base", "test-base"],
    ["ft:a", "ft:a"],
    ["poet", "adapters/poet"],
  ]);
});

test("/stats sends the state every 250 ms, until the server drains", async () => {
  const draining = new AbortController();
  const app = createApp({ engine: new ScriptedEngine(), draining: draining.signal });
  const waits: unknown[] = [];
  const timer = vi.spyOn(globalThis, "setTimeout").mockImplementation(((go: () => void, ms: number) => {
    if (ms < 1000) {
      waits.push(ms);
      queueMicrotask(go);
    }
    return 0;
  }) as never);
  const response = await app.request("/stats");
  const reader = (response.body as ReadableStream<Uint8Array>).getReader();
  const next = async () => new TextDecoder().decode((await reader.read()).value);
  for (const _ of [1, 2, 3]) expect(JSON.parse((await next()).slice("data: ".length))).toMatchObject({ passes: 7 });
  draining.abort();
  let count = 0;
  while (!(await reader.read()).done) count++;
  timer.mockRestore();
  // At most two events were ready before.
  expect(count).toBeLessThanOrEqual(2);
  expect(new Set(waits)).toEqual(new Set([250]));
});
