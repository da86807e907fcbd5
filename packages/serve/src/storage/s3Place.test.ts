import { init, reference } from "@lowrank/core";
import { beforeAll, expect, test } from "vitest";
import { AdapterStore } from "../adapters/adapterStore.ts";
import { HandClock } from "../adapters/testing/handClock.ts";
import { adapterFiles, TinyHost } from "../adapters/testing/tinyAdapters.ts";
import { s3Place } from "./s3Place.ts";
import { sha256 } from "./sha256.ts";

beforeAll(async () => {
  await init(reference());
});

/** Returns a fetch that answers as a bucket with objects in memory, for tests in pages too. */
function bucket(objects: Map<string, Uint8Array | string>): typeof fetch {
  return async (input, { method, headers, body } = {}) => {
    const { pathname, searchParams } = new URL(String(input));
    const given = new Headers(headers);
    expect(given.get("Authorization")).toMatch(/^AWS4-HMAC-SHA256 Credential=key\//);
    const key = decodeURIComponent(pathname.slice(1));
    if (searchParams.has("list-type")) {
      const names = [...objects.keys()].filter((name) => name.startsWith(searchParams.get("prefix") ?? ""));
      const contents = names.map((name) => {
        const { length } = objects.get(name)!;
        return `<Contents><Key>${name}</Key><Size>${length}</Size><ETag>"${length}"</ETag></Contents>`;
      });
      return new Response(`<ListBucketResult>${contents.join("")}</ListBucketResult>`);
    }
    const object = objects.get(key);
    const tag = object && `"${object.length}"`;
    if (method === "PUT") {
      const wanted = given.get("If-Match");
      if (wanted ? wanted !== tag : object !== undefined) return new Response("", { status: 412 });
      objects.set(key, body as string);
      return new Response("", { headers: { ETag: `"${(body as string).length}"` } });
    }
    if (object === undefined) return new Response("", { status: 404 });
    return new Response(object as BodyInit, { headers: { ETag: tag! } });
  };
}

test("an adapter of a bucket is loaded, registered and used by fetch and WebCrypto alone", async () => {
  const files = await adapterFiles(1);
  const objects = new Map([...files].map(([name, content]) => [`v1/${name}`, content]));
  const place = s3Place({
    ...{ bucket: "adapters", region: "eu-central-1", fetch: bucket(objects) },
    credentials: async () => ({ accessKeyId: "key", secretAccessKey: "secret", sessionToken: "token" }),
  });
  const clock = new HandClock();
  const store = new AdapterStore(new TinyHost(), { place, clock, maxAdapterBytes: 1e6 });
  await store.start();
  const [config, weights] = ["adapter_config.json", "adapter_model.safetensors"].map((name) => files.get(name)!);
  const sums = [await sha256(config as string), await sha256(weights as Uint8Array<ArrayBuffer>)];
  const version = await sha256(`${sums[0]}  adapter_config.json\n${sums[1]}  adapter_model.safetensors\n`);
  expect(await store.load("sql", "v1")).toMatchObject({ name: "sql", version, resident: true });
  expect(JSON.parse(objects.get("manifest.json") as string).adapters.sql).toEqual({
    ...{ path: "v1", version, method: "LORA" },
  });
  const lease = await store.acquire("sql", { tenant: "t" });
  expect(lease.version).toBe(version);
  lease.release();
  await store.close();
});
