import { connect } from "node:net";
import { expect, test } from "vitest";
import { listening } from "../testing/listening.ts";
import { ScriptedEngine } from "../testing/scriptedEngine.ts";
import { createApp } from "./createApp.ts";
import { listen } from "./listen.ts";

const path = "/v1/chat/completions";
const chat = { model: "test-base", messages: [{ role: "user", content: "Say hello" }] };
const request = (body: unknown, signal?: AbortSignal): RequestInit => {
  return { method: "POST", headers: { "content-type": "application/json" }, body: JSON.stringify(body), signal };
};

/** Sends raw bytes, and returns all bytes received until the connection ended. */
function raw(port: number, lines: string, keepOpen = false): Promise<string> {
  return new Promise((resolve, reject) => {
    let answer = "";
    const socket = connect(port, "127.0.0.1", () => {
      socket.write(lines);
      if (!keepOpen) socket.end();
    });
    socket.on("data", (data) => {
      answer += data;
      if (answer.includes("\r\n\r\n")) socket.end();
    });
    socket.on("close", () => resolve(answer));
    socket.on("error", reject);
  });
}

const post = (headers: string) =>
  `POST ${path} HTTP/1.1\r\nhost: localhost\r\ncontent-type: application/json\r\n${headers}\r\n\r\n`;

test("a client that vanishes amid a stream frees its place", async () => {
  const engine = new ScriptedEngine({ words: Array(1000).fill("x"), delay: 5 });
  await using server = await listening({ engine, limits: { pending: 1 } });
  const leave = new AbortController();
  const response = await fetch(server.url + path, request({ ...chat, stream: true }, leave.signal));
  await response.body?.getReader().read();
  expect(engine.running.size).toBe(1);
  expect((await fetch(server.url + path, request(chat))).status).toBe(429);
  leave.abort();
  await expect.poll(() => engine.running.size).toBe(0);
  const next = await fetch(server.url + path, request({ ...chat, max_tokens: 1 }));
  expect(next.status).toBe(200);
});

test("a client that vanishes while it waits for a whole answer frees its place", async () => {
  const engine = new ScriptedEngine({ delay: 60_000 });
  await using server = await listening({ engine });
  const leave = new AbortController();
  const answer = fetch(server.url + path, request(chat, leave.signal)).catch((error: Error) => error.name);
  await expect.poll(() => engine.running.size).toBe(1);
  leave.abort();
  expect(await answer).toBe("AbortError");
  await expect.poll(() => engine.running.size).toBe(0);
});

test("a client that takes nothing holds the engine back", async () => {
  let given = 0;
  const engine = new ScriptedEngine();
  engine.generate = async function* () {
    yield { type: "started", promptTokens: 1, cachedTokens: 0, version: null };
    for (; given < 100_000; given++) yield { type: "token", token: 1, text: "word ".repeat(200), prompt: false };
  };
  await using server = await listening({ engine });
  const leave = new AbortController();
  await fetch(server.url + path, request({ ...chat, stream: true }, leave.signal));
  const settled = async () => {
    const before = given;
    await new Promise((resolve) => setTimeout(resolve, 100));
    return given - before;
  };
  await expect.poll(settled, { timeout: 10_000 }).toBe(0);
  expect(given).toBeLessThan(100_000);
  leave.abort();
});

/** Sends a request and never reads the answer. */
function neverReading(port: number, body: object): () => void {
  const text = JSON.stringify(body);
  const socket = connect(port, "127.0.0.1", () => {
    socket.write(post(`content-length: ${text.length}`) + text);
    socket.pause();
  });
  socket.on("error", () => {});
  return () => socket.destroy();
}

test("a connection that reads nothing of a stream is closed, while others are answered", async () => {
  let given = 0;
  const engine = new ScriptedEngine();
  const usual = engine.generate.bind(engine);
  engine.generate = async function* (request, signal) {
    if (request.maxNewTokens === 1) return yield* usual(request, signal);
    this.running.add(request.id);
    try {
      yield { type: "started", promptTokens: 1, cachedTokens: 0, version: null };
      for (; given < 1_000_000; given++) {
        yield { type: "token", token: 1, text: "word ".repeat(200), prompt: false };
      }
    } finally {
      this.running.delete(request.id);
    }
  };
  const refused: { reason?: string }[] = [];
  const logger = { info: () => {}, error: () => {}, warn: (fields: object) => void refused.push(fields) };
  const server = await listening({ engine, logger, limits: { sendSeconds: 0.4 } });
  const leave = neverReading(server.port, { ...chat, stream: true });
  await expect.poll(() => engine.running.size).toBe(1);
  expect((await fetch(server.url + path, request({ ...chat, max_tokens: 1 }))).status).toBe(200);
  await expect.poll(() => engine.running.size, { timeout: 10_000 }).toBe(0);
  expect(refused.map(({ reason }) => reason)).toEqual([
    expect.stringContaining("read nothing of its answer for 0.4 s"),
  ]);
  expect(given).toBeLessThan(50_000);
  // Otherwise it would wait for the connection.
  await server.close();
  leave();
});

test("a connection that reads nothing of a whole answer is closed", async () => {
  const large = "x".repeat(64e6);
  const server = await listen({ fetch: () => new Response(large) }, 0, "127.0.0.1", { sendSeconds: 0.3 });
  const leave = neverReading(server.port, {});
  // A client that reads everything is not affected.
  expect((await (await fetch(server.url)).text()).length).toBe(large.length);
  await server.close();
  leave();
});

test("a body that is too long is refused while it comes", async () => {
  await using server = await listening({ engine: new ScriptedEngine(), limits: { bodyBytes: 1000 } });
  // The first request declares a length and sends nothing; the other sends 1500 bytes and no end.
  expect(await raw(server.port, post("content-length: 5000000"), true)).toMatch(/^HTTP\/1.1 413 /);
  const chunk = `5dc\r\n${"x".repeat(1500)}\r\n`;
  expect(await raw(server.port, post("transfer-encoding: chunked") + chunk, true)).toMatch(/^HTTP\/1.1 413 /);
});

test("a body that is too slow is refused", async () => {
  await using server = await listening({ engine: new ScriptedEngine(), limits: { bodySeconds: 0.1 } });
  expect(await raw(server.port, `${post("content-length: 100")}{"model":`, true)).toMatch(/^HTTP\/1.1 408 /);
});

test("a body that breaks off takes nothing", async () => {
  const engine = new ScriptedEngine();
  await using server = await listening({ engine });
  const answer = await raw(server.port, `${post("content-length: 100")}{"model":`);
  expect(answer === "" || answer.startsWith("HTTP/1.1 400")).toBe(true);
  expect(engine.requests).toEqual([]);
});

test("draining refuses new requests, fails readiness and lets running ones end", async () => {
  const engine = new ScriptedEngine({ delay: 40 });
  const draining = new AbortController();
  await using server = await listening({ engine, draining: draining.signal });
  const running = await fetch(server.url + path, request({ ...chat, stream: true }));
  draining.abort();
  const refused = await fetch(server.url + path, request(chat));
  expect([refused.status, refused.headers.get("retry-after")]).toEqual([503, "5"]);
  expect((await refused.json()).error.code).toBe("draining");
  expect((await fetch(`${server.url}/ready`)).status).toBe(503);
  expect((await fetch(`${server.url}/health`)).status).toBe(200);
  expect(await running.text()).toMatch(/"finish_reason":"stop".*\n\ndata: \[DONE\]\n\n$/);
});

test("closing waits for the answers that are under way", async () => {
  const server = await listen(createApp({ engine: new ScriptedEngine({ delay: 20 }) }), 0);
  const running = await fetch(server.url + path, request({ ...chat, stream: true }));
  const closed = server.close();
  expect(await running.text()).toContain("[DONE]");
  await closed;
  await expect(fetch(`${server.url}/health`)).rejects.toThrow();
});

test("a port that is taken is told, with the fix", async () => {
  await using server = await listening({ engine: new ScriptedEngine() });
  const second = listen(createApp({ engine: new ScriptedEngine() }), server.port);
  await expect(second).rejects.toThrow(`port ${server.port} of 127.0.0.1 is taken by another process`);
});

test.each(["203.0.113.7", "no-such-host.invalid"])(
  "the address %s, which is not here, is told, with the fix",
  async (host) => {
    const failed = listen(createApp({ engine: new ScriptedEngine() }), 0, host);
    await expect(failed).rejects.toThrow(new RegExp(`^${host} is no address.*; give another --host`));
  },
);
