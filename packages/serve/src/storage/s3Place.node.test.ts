import { init, reference } from "@lowrank/core";
import type { Warning } from "@lowrank/peft";
import { AwsClient } from "aws4fetch";
import { afterEach, beforeAll, beforeEach, expect, test } from "vitest";
import { AdapterStore } from "../adapters/adapterStore.ts";
import { HandClock } from "../adapters/testing/handClock.ts";
import { S3Server } from "../adapters/testing/s3Server.ts";
import { adapterFiles, TinyHost } from "../adapters/testing/tinyAdapters.ts";
import { s3Place } from "./s3Place.ts";

let server: S3Server;
beforeAll(async () => {
  await init(reference());
});
beforeEach(async () => {
  server = await S3Server.start();
});
afterEach(() => server[Symbol.asyncDispose]());

/** Writes objects to the bucket directly, not through the tested place. */
async function put(objects: Iterable<readonly [key: string, content: Uint8Array | string]>): Promise<void> {
  const { accessKeyId, secretAccessKey } = server.place.credentials as { accessKeyId: string; secretAccessKey: string };
  const client = new AwsClient({ accessKeyId, secretAccessKey, service: "s3", region: "us-east-1" });
  for (const [key, content] of objects) {
    const url = `${server.place.endpoint}/adapters/${key.split("/").map(encodeURIComponent).join("/")}`;
    const answer = await client.fetch(url, { method: "PUT", body: content as BodyInit });
    expect(answer.status).toBe(200);
  }
}

async function putAdapter(path: string, seed: number): Promise<void> {
  await put([...(await adapterFiles(seed))].map(([name, content]) => [`${path}/${name}`, content] as const));
}

/** Creates a server on the bucket. */
async function replica(options: { prefix?: string; timeoutMs?: number } = {}) {
  const clock = new HandClock();
  const warnings: Warning[] = [];
  const host = new TinyHost();
  const place = s3Place({ ...server.place, clock, timeoutMs: 1e9, ...options });
  const store = new AdapterStore(host, {
    place,
    clock,
    maxAdapterBytes: 1e6,
    onWarning: (warning) => warnings.push(warning),
  });
  await store.start();
  const use = async (name: string) => {
    const lease = await clock.until(store.acquire(name, { tenant: "t" }));
    lease.release();
    return lease.version;
  };
  return { clock, warnings, host, place, store, use };
}

test("adapters are found, read and served by their key", async () => {
  await putAdapter("prod/team/a +bü=", 1);
  await putAdapter("prod/plain", 2);
  await putAdapter("other/hidden", 3);
  const { store, place, use } = await replica({ prefix: "/prod/" });
  expect(place.label).toBe("s3://adapters/prod/");
  expect((await store.list()).map(({ name }) => name)).toEqual(["plain", "team/a +bü="]);
  const version = await use("team/a +bü=");
  expect(version).toMatch(/^[0-9a-f]{64}$/);
  expect(await use("plain")).not.toBe(version);
  await expect(use("hidden")).rejects.toMatchObject({ code: "not_found" });
  expect(await store.load("sql", "s3://adapters/prod/plain")).toMatchObject({ source: "plain" });
});

test("keys stay below the prefix", async () => {
  await putAdapter("prod/sql", 1);
  await putAdapter("prodigal", 2);
  await putAdapter("other/hidden", 3);
  const { store } = await replica({ prefix: "prod" });
  for (const path of [
    "../other/hidden",
    "..",
    "/other/hidden",
    "s3://adapters/other/hidden",
    "s3://else/prod/sql",
    "%2e%2e/x",
    "s3://adapters/prod/../other/hidden",
  ]) {
    await expect(store.load("x", path), path).rejects.toMatchObject({ code: "invalid_request", param: "lora_path" });
  }
  await expect(store.load("x", "igal")).rejects.toMatchObject({ code: "not_found" });
});

test("2,000 adapters come in pages", async () => {
  await server[Symbol.asyncDispose]();
  server = await S3Server.start({ paged: true });
  await server.fill(Array.from({ length: 2000 }, (_, i) => `many/a${i}/adapter_config.json`));
  await putAdapter("many/a7/checkpoint-1", 1);
  const { store } = await replica({ prefix: "many" });
  server.requests.length = 0;
  const names = (await store.list()).map(({ name }) => name);
  expect(names.length).toBe(2000);
  expect(new Set(names).size).toBe(2000);
  const lists = () => server.requests.filter((request) => request.includes("list-type")).length;
  expect(lists()).toBe(3);
  expect(store.stats().registered).toBe(2000);
  // Known folders are not listed again before they are due; the manifest is read.
  await store.list();
  expect(lists()).toBe(3);
  expect(server.requests.filter((request) => request.includes("manifest.json")).length).toBe(2);
});

test("a load reaches other replicas, and writers lose nothing of each other's", async () => {
  for (let seed = 1; seed <= 4; seed++) await putAdapter(`f${seed}`, seed);
  const [one, two] = [await replica(), await replica()];
  const loads = [one, two].flatMap(({ store, clock }, i) =>
    [1, 2].map((half) => clock.until(store.load(`a${2 * i + half}`, `f${2 * i + half}`))),
  );
  await Promise.all(loads);
  const three = await replica();
  const all = await Promise.all(["a1", "a2", "a3", "a4"].map((name) => three.use(name)));
  expect(all).toEqual((await Promise.all(loads)).map(({ version }) => version));
  await two.clock.until(two.store.unload("a1"));
  one.clock.turn(5000);
  await expect.poll(() => one.use("a1").catch(({ code }) => code)).toBe("not_found");
  const manifests = server.requests.filter((request) => request === "GET /adapters/manifest.json").length;
  three.clock.turn(5000);
  await expect.poll(() => three.use("a1").catch(({ code }) => code)).toBe("not_found");
  expect(server.requests.filter((request) => request === "GET /adapters/manifest.json").length).toBe(manifests + 1);
});

test("a write whose answer is lost counts once it is found written", async () => {
  await putAdapter("v1", 1);
  const { store, clock } = await replica();
  let lost = 0;
  server.intercept = (context) => {
    if (context.method === "PUT" && context.path.endsWith("manifest.json") && lost++ === 0) {
      // The object is written, and the connection breaks before the answer.
      context.res.end = () => context.res.destroy() && context.res;
    }
    return false;
  };
  expect(await clock.until(store.load("sql", "v1"))).toMatchObject({ name: "sql" });
  expect(lost).toBeGreaterThan(1);
});

test("a store that ignores conditions is read, and not written", async () => {
  await server[Symbol.asyncDispose]();
  server = await S3Server.start({ conditional: false });
  await putAdapter("v1", 1);
  const { store, use } = await replica();
  await use("v1");
  await expect(store.load("sql", "v1")).rejects.toMatchObject({
    code: "unavailable",
    cause: expect.objectContaining({
      message: expect.stringContaining("ignores If-Match and If-None-Match, so that servers would overwrite"),
    }),
  });
  expect(server.requests.filter((request) => /^PUT.*manifest.json$/.test(request))).toEqual([]);
});

test("while the server is away, what is on the model goes on, and the rest comes back by itself", async () => {
  await putAdapter("v1", 1);
  await putAdapter("v2", 2);
  const { store, clock, warnings, use } = await replica();
  await clock.until(store.load("a", "v1"));
  await clock.until(store.load("b", "v2"));
  await server.stop();
  const late = await (async () => {
    const clock = new HandClock();
    const place = s3Place({ ...server.place, clock, timeoutMs: 1e9 });
    const store = new AdapterStore(new TinyHost(), { place, clock, maxAdapterBytes: 1e6, onWarning: () => {} });
    await clock.until(store.start());
    return { store, clock };
  })();
  await use("a");
  const away = {
    code: "unavailable",
    cause: expect.objectContaining({ message: expect.stringContaining("does not answer (ECONNREFUSED)") }),
    retryAfter: 5,
  };
  await expect(use("v3")).rejects.toMatchObject(away);
  await expect(clock.until(store.load("c", "v1"))).rejects.toMatchObject(away);
  await expect(late.clock.until(late.store.acquire("a", { tenant: "t" }))).rejects.toMatchObject(away);
  expect(warnings).toMatchObject([{ code: "store-unavailable" }]);
  await server.listen();
  clock.turn(1000);
  late.clock.turn(1000);
  await use("b");
  await clock.until(store.load("c", "v1"));
  (await late.clock.until(late.store.acquire("a", { tenant: "t" }))).release();
});

test("what passes is tried again", async () => {
  await putAdapter("v1", 1);
  const { use } = await replica();
  const faults = [503, 429, 500, "none", "break", "break in the body", 502, "none"];
  server.intercept = (context) => {
    const fault = faults.shift();
    if (fault === undefined || fault === "none") return false;
    if (typeof fault === "number") {
      context.status = fault;
      context.body = "<Error><Code>SlowDown</Code></Error>";
    } else if (fault === "break") context.req.socket.destroy();
    else {
      context.res.writeHead(200, { "Content-Length": 1000 });
      context.res.write("<", () => context.res.destroy());
    }
    return true;
  };
  await use("v1");
  expect(faults).toEqual([]);
});

test("an answer that stops coming is given up, a slow one is not", async () => {
  await putAdapter("v1", 1);
  const clock = new HandClock();
  let pieces = 0;
  /** Sends an answer in pieces. Each takes less time than the limit, and all together more. */
  const slowly: typeof fetch = async (...request) => {
    const response = await fetch(...request);
    const bytes = new Uint8Array(await response.arrayBuffer());
    let at = 0;
    const pull = (controller: ReadableStreamDefaultController) => {
      pieces++;
      clock.turn(900);
      controller.enqueue(bytes.subarray(at, at + 100));
      at += 100;
      if (at >= bytes.length) controller.close();
    };
    return new Response(new ReadableStream({ pull }, { highWaterMark: 0 }), response);
  };
  const slow = s3Place({ ...server.place, clock, timeoutMs: 1000, fetch: slowly });
  const file = (await slow.files("v1"))!.find(({ name }) => name === "adapter_model.safetensors")!;
  expect((await slow.read("v1", [file]))?.[0].length).toBe(file.size);
  expect(pieces).toBeGreaterThan(5);
  server.intercept = () => new Promise(() => {});
  const stuck = s3Place({ ...server.place, clock, timeoutMs: 1000 });
  await expect(clock.until(stuck.read("v1", [file]))).rejects.toMatchObject({
    code: "unavailable",
    cause: expect.objectContaining({ message: expect.stringContaining("no data received for 1000 ms") }),
  });
});

test("a wrong key, a bucket that is not there and another kind of server are said", async () => {
  await putAdapter("v1", 1);
  const clock = new HandClock();
  const files = (options: object) =>
    clock.until(s3Place({ ...server.place, clock, timeoutMs: 1e9, ...options }).files("v1"));
  const wrong = { accessKeyId: "S3RVER", secretAccessKey: "wrong" };
  const because = (message: RegExp) => ({ cause: { message: expect.stringMatching(message) } });
  await expect(files({ credentials: wrong })).rejects.toMatchObject({
    message: "the store refuses a request of this server",
    ...because(/refuses GET the list: 403, SignatureDoesNotMatch: .*check its/),
  });
  await expect(files({ bucket: "nowhere" })).rejects.toMatchObject({
    code: "unavailable",
    cause: expect.objectContaining({ message: expect.stringContaining("404, NoSuchBucket") }),
  });
  const failing = () => Promise.reject(new Error("no network"));
  await expect(files({ credentials: failing })).rejects.toMatchObject(
    because(/the function for its keys failed: no network/),
  );
  const page = async () => new Response("<html>");
  await expect(files({ fetch: page })).rejects.toMatchObject(because(/is not an object store/));
  expect(await files({ credentials: async () => server.place.credentials })).toHaveLength(3);
});

test("an object that changes while it is read is read again", async () => {
  await putAdapter("v1", 1);
  const { place } = await replica();
  const config = (await place.files("v1"))!.find(({ name }) => name === "adapter_config.json")!;
  await put([["v1/adapter_config.json", "{}"]]);
  expect(await place.read("v1", [config])).toBe(null);
});

test("objects of different times are read again", async () => {
  await putAdapter("v1", 1);
  const { place } = await replica();
  const files = (await place.files("v1"))!;
  server.requests.length = 0;
  expect(await place.read("v1", files)).toHaveLength(files.length);
  // One request per file, and a list at the end.
  expect(server.requests.length).toBe(files.length + 1);
  // One file changes after it was read, before the next is read.
  let answered = 0;
  server.intercept = async () => {
    if (answered++ === 1) await put([[`v1/${files[0].name}`, "{}"]]);
    return false;
  };
  expect(await place.read("v1", files)).toBe(null);
});
