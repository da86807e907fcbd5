import { afterEach, expect, test } from "vitest";
import type { ServingEngine, ServingEvent, ServingRequest } from "../api/api.ts";
import { connectEngine, type ServingWorker } from "./index.ts";

const node = globalThis.process?.getBuiltinModule?.("node:worker_threads");
const workers: ServingWorker[] = [];

/** Starts a Worker with one of the test engines. */
function start(kind: string): { engine: ServingEngine; worker: ServingWorker; messages: unknown[][] } {
  const url = new URL("../testing/engineWorker.ts", import.meta.url);
  const worker = node ? new node.Worker(url, { workerData: kind }) : new Worker(url, { type: "module", name: kind });
  workers.push(worker);
  const messages: unknown[][] = [];
  if ("on" in worker) worker.on("message", (data) => messages.push(data as unknown[]));
  else worker.addEventListener("message", ({ data }) => messages.push(data));
  return { engine: connectEngine(worker), worker, messages };
}

afterEach(async () => {
  for (const worker of workers.splice(0)) await worker.terminate();
});

const request = (id: string, fields: Partial<ServingRequest> = {}): ServingRequest => {
  return { id, prompt: { text: "Say hello" }, adapter: null, tenant: "", sampling: { temperature: 0 }, ...fields };
};

async function all(stream: AsyncIterable<ServingEvent>): Promise<ServingEvent[]> {
  const events: ServingEvent[] = [];
  for await (const event of stream) events.push(event);
  return events;
}

test("a Worker's engine answers as one here does", async () => {
  const { engine } = start("scripted");
  expect((await engine.model()).name).toBe("test-base");
  const events = await all(engine.generate(request("a", { adapter: "poet" })));
  expect(events.map(({ type }) => type)).toEqual(["started", "token", "token", "token", "finished"]);
  expect(await engine.tokenize({ text: "Once upon" })).toEqual([4, 5]);
  expect(await engine.detokenize([1])).toBe("x");
  expect((await engine.embed(["ab"])).embeddings).toEqual([Float32Array.of(2, 0.5, -1)]);
  expect((await engine.loadAdapter("new", "adapters/new", { pin: true })).name).toBe("new");
  expect((await engine.adapters()).map(({ name }) => name)).toEqual(["poet", "new"]);
  await engine.unloadAdapter("new");
  expect((await engine.stats()).adapters.registered).toBe(1);
  await engine.drain();
  await engine.close();
  await expect(engine.stats()).rejects.toMatchObject({ code: "unavailable" });
});

test("errors keep their code, parameter and time", async () => {
  const { engine } = start("scripted");
  const unknown = all(engine.generate(request("a", { adapter: "nobody" })));
  await expect(unknown).rejects.toMatchObject({ name: "ServingError", code: "not_found", param: "model" });
  await expect(engine.loadAdapter("x", "bad")).rejects.toMatchObject({ code: "adapter_refused" });
});

test("an engine that could not be made tells each call why", async () => {
  const { engine } = start("unmade");
  await expect(engine.model()).rejects.toThrow("there is no model at ./nowhere");
  await expect(all(engine.generate(request("a")))).rejects.toThrow("there is no model at ./nowhere");
});

const isToken = (told: unknown) => (told as { event?: ServingEvent }).event?.type === "token";

test("32 streams take one message a pass, not one a token", async () => {
  const { engine, messages } = start("short");
  await engine.model();
  const before = messages.length;
  const passes = 20;
  const streams = Array.from({ length: 32 }, (_, i) => all(engine.generate(request(`${i}`, { maxNewTokens: passes }))));
  const events = await Promise.all(streams);
  expect(events.every(({ length }) => length === passes + 2)).toBe(true);
  // Requests arrive one by one, so the first and last passes may not include all of them.
  const withTokens = messages.slice(before).filter((items) => items.some(isToken));
  expect(withTokens.length).toBeLessThanOrEqual(passes + 4);
  expect(withTokens.some((items) => items.filter(isToken).length === 32)).toBe(true);
});

test("an abort is heard at once, though the engine computes, and frees the request's place", async () => {
  const { engine } = start("long");
  await engine.model();
  const controller = new AbortController();
  const stream = engine.generate(request("a"), controller.signal);
  await stream[Symbol.asyncIterator]().next();
  const next = stream[Symbol.asyncIterator]().next();
  await new Promise((resolve) => setTimeout(resolve, 50));
  const begin = performance.now();
  controller.abort(new Error("enough"));
  await expect(next).rejects.toThrow("enough");
  expect(performance.now() - begin).toBeLessThan(100);
  await expect.poll(() => engine.detokenize([]), { timeout: 5000 }).toContain("0 running");
});

test("leaving the loop frees the request's place", async () => {
  const { engine } = start("short");
  for await (const event of engine.generate(request("a"))) if (event.type === "token") break;
  await expect.poll(() => engine.detokenize([]), { timeout: 5000 }).toContain("0 running");
});

test("a signal that is aborted already sends nothing", async () => {
  const { engine } = start("slow");
  const stream = all(engine.generate(request("a"), AbortSignal.abort(new Error("enough"))));
  await expect(stream).rejects.toThrow("enough");
  expect((await engine.stats()).running).toBe(0);
});

test("a reader that takes nothing stops its engine, and one that goes on gets all", async () => {
  const { engine, messages } = start("many");
  await engine.model();
  const stream = engine.generate(request("a"))[Symbol.asyncIterator]();
  await stream.next();
  await engine.stats();
  await engine.stats();
  const sent = () => messages.flat().filter((item) => (item as { type: string }).type === "event").length;
  const waiting = sent();
  expect(waiting).toBe(64);
  await engine.stats();
  expect(sent()).toBe(waiting);
  let taken = 1;
  while (!(await stream.next()).done) taken++;
  expect(taken).toBe(1002);
});

test("a Worker that ends rejects all that waits, and all that comes, as unavailable", async () => {
  const { engine } = start("ending");
  await engine.model();
  const stream = engine.generate(request("a"))[Symbol.asyncIterator]();
  await stream.next();
  const waiting = [stream.next(), engine.detokenize([])];
  for (const found of waiting) await expect(found).rejects.toMatchObject({ code: "unavailable" });
  await expect(engine.model()).rejects.toMatchObject({ code: "unavailable" });
  await expect(engine.stats()).rejects.toMatchObject({ code: "unavailable" });
  await expect(all(engine.generate(request("b")))).rejects.toMatchObject({ code: "unavailable" });
  await engine.close();
});
