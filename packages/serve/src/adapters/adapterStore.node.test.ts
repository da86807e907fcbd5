import { readFile, rename, rm, stat, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { writeFolder } from "@lowrank/files";
import { expect, test } from "vitest";
import type { FineTuneJob } from "../jobs/job.ts";
import { JobStore } from "../jobs/jobStore.ts";
import { publish } from "../jobs/publish.ts";
import { folderPlace } from "../storage/folderPlace.ts";
import { manifest, put, root, server, useStoreFolder } from "./testing/storeServer.ts";

useStoreFolder();

test("each name counts once among those registered: folders by use and by the last list, and the manifest's", async () => {
  for (const [seed, path] of ["a", "b", "c"].entries()) await put(path, seed);
  const { store, clock, use } = await server();
  const counts: number[] = [];
  const count = (listed?: number) => {
    counts.push(store.stats().registered);
    if (listed !== undefined) expect(counts.at(-1)).toBe(listed);
  };
  const list = async () => (await store.list()).length;
  count();
  await use("a");
  count();
  count(await list());
  // One name that is not a folder's, and one that is.
  await store.load("x", "b");
  await store.load("c", "b");
  count(await list());
  await put("d", 3);
  await use("d");
  count(await list());
  clock.turn(5000);
  count(await list());
  await rm(join(root, "d"), { recursive: true });
  await rm(join(root, "a"), { recursive: true });
  clock.turn(5000);
  await use("d");
  await expect.poll(() => use("d").catch(({ code }) => code)).toBe("not_found");
  clock.turn(5000);
  count(await list());
  // After its name was removed, the folder is no longer served.
  await store.unload("b");
  count(await list());
  expect(counts).toEqual([0, 1, 3, 4, 5, 5, 4, 3]);
});

test("folders are served by their name, and loaded on first use", async () => {
  await put("sql", 1);
  await put("team/chat", 2);
  const { store, host, use } = await server();
  expect(await store.list()).toMatchObject([
    { name: "sql", source: "sql", version: null, method: null, resident: false, bytes: 0, inUse: 0 },
    { name: "team/chat" },
  ]);
  expect(host.calls).toEqual([]);
  const [first, second] = await Promise.all([use("sql"), use("sql")]);
  const lease = await store.acquire("team/chat", { tenant: "t" });
  expect(second).toBe(first);
  expect(host.versions).toEqual([first, lease.version]);
  expect(host.calls.length).toBe(2);
  const bytes = 4 * 2 * 32;
  expect(await store.list()).toMatchObject([
    { name: "sql", version: first, method: "LORA", resident: true, bytes, inUse: 0 },
    { name: "team/chat", version: lease.version, resident: true, inUse: 1 },
  ]);
  expect(store.stats()).toMatchObject({
    ...{ registered: 2, resident: 2, bytes: 2 * bytes, hits: 0, loads: 2, evictions: 0, failures: 0 },
    loadTimes: {
      buckets: expect.toSatisfy((counts: number[]) => counts.reduce((a, b) => a + b) === 2),
      sum: expect.any(Number),
    },
  });
  await expect(use("other")).rejects.toMatchObject({
    code: "not_found",
    message: expect.stringMatching(/^No adapter found in other of the store$/),
  });
});

test("a version is what sha256sum says of its files", async () => {
  await put("sql", 1);
  const { use } = await server();
  const { execFileSync } = await import("node:child_process");
  const command = "sha256sum adapter_config.json adapter_model.safetensors | sha256sum";
  const said = execFileSync("sh", ["-c", command], { cwd: join(root, "sql"), encoding: "utf8" });
  expect(await use("sql")).toBe(said.slice(0, 64));
});

test("a load reaches other servers by the manifest, and so does an unload", async () => {
  await put("v1", 1);
  const [one, two] = [await server(), await server()];
  const loaded = await one.store.load("sql", "v1");
  expect(loaded).toMatchObject({ name: "sql", source: "v1", method: "LORA", resident: true, pinned: false, inUse: 1 });
  expect(await manifest()).toEqual({
    ...{ discover: true, adapters: { sql: { path: "v1", version: loaded.version, method: "LORA" } } },
  });
  await expect(two.use("sql")).rejects.toMatchObject({ code: "not_found" });
  await two.poll();
  expect(await two.use("sql")).toBe(loaded.version);
  await two.store.unload("sql");
  await expect(two.use("sql")).rejects.toMatchObject({ code: "not_found" });
  expect(await one.use("sql")).toBe(loaded.version);
  await one.poll();
  await expect(one.use("sql")).rejects.toMatchObject({ code: "not_found" });
  // The folder is still served under its own name.
  expect(await one.use("v1")).toBe(loaded.version);
  await one.store.unload("v1");
  expect((await manifest()).adapters).toEqual({ v1: null });
  await expect(one.use("v1")).rejects.toMatchObject({ code: "not_found" });
  await expect(one.store.unload("v1")).rejects.toThrow("The lora adapter 'v1' cannot be found.");
  expect(one.host.versions).toEqual([]);
});

test("a name that is taken is refused, unless it is to be replaced", async () => {
  await put("v1", 1);
  await put("v2", 2);
  const { store, use } = await server();
  const { version } = await store.load("sql", "v1");
  await expect(store.load("sql", "v2")).rejects.toMatchObject({
    code: "already_loaded",
    message:
      "The lora adapter 'sql' has already been loaded. If you want to load the adapter in place, set 'load_inplace' to True.",
  });
  expect(await use("sql")).toBe(version);
  const second = await store.load("sql", "v2", { replace: true });
  expect(second.version).not.toBe(version);
  expect(await use("sql")).toBe(second.version);
  await expect(store.load("", "v1")).rejects.toMatchObject({ code: "invalid_request", param: "lora_name" });
});

test("a swap does not touch a request that runs; its version leaves with it", async () => {
  await put("v1", 1);
  await put("v2", 2);
  const { store, host, use } = await server();
  const { version } = await store.load("sql", "v1");
  const running = await store.acquire("sql", { tenant: "t" });
  const next = await store.load("sql", "v2", { replace: true });
  await store.unload("v1");
  expect(running.version).toBe(version);
  expect(host.versions).toEqual([version, next.version]);
  expect(await use("sql")).toBe(next.version);
  running.release();
  await store.list();
  expect(host.versions).toEqual([next.version]);
});

test("servers that write at the same time lose nothing of each other's", async () => {
  for (let seed = 1; seed <= 6; seed++) await put(`f${seed}`, seed);
  const servers = [await server(), await server(), await server()];
  const loads = servers.flatMap(({ store, clock }, i) =>
    [1, 2].map((half) => clock.until(store.load(`a${2 * i + half}`, `f${2 * i + half}`))),
  );
  await Promise.all(loads);
  expect(Object.keys((await manifest()).adapters)).toEqual(["a1", "a2", "a3", "a4", "a5", "a6"]);
});

test("many loads at once at one server are all done", async () => {
  await put("v1", 1);
  const { store, place } = await server();
  let refused = 0;
  const { writeManifest } = place;
  Object.assign(place, {
    writeManifest: async (text: string, replaces: string | null) => {
      const tag = await writeManifest(text, replaces);
      if (tag === null) refused += 1;
      return tag;
    },
  });
  const names = Array.from({ length: 60 }, (_, i) => `name-${i}`);
  await Promise.all(names.map((name) => store.load(name, "v1")));
  expect((await store.list()).length).toBe(61);
  expect(refused).toBe(0);
  await Promise.all(names.map((name) => store.unload(name)));
  expect((await store.list()).map(({ name }) => name)).toEqual(["v1"]);
});

test("only tenants that the manifest names may use an adapter, also after a swap", async () => {
  await put("v1", 1);
  await put("v2", 2);
  const one = await server();
  await one.store.load("sql", "v1");
  const edited = await manifest();
  edited.adapters.sql.tenants = ["acme"];
  await writeFolder(root, new Map([["manifest.json", JSON.stringify(edited)]]));
  await one.poll();
  const denied = { code: "not_found", message: "The lora adapter 'sql' cannot be found." };
  await expect(one.use("sql", "t")).rejects.toMatchObject(denied);
  await one.use("sql", "acme");
  expect((await one.store.list()).find(({ name }) => name === "sql")?.tenants).toEqual(["acme"]);
  await one.store.load("sql", "v2", { replace: true });
  await expect(one.use("sql", "t")).rejects.toMatchObject(denied);
  await one.use("sql", "acme");
});

test("what jobs keep in the store is no adapter, until the manifest names it", async () => {
  await put(".fine-tuning/runs/ftjob-1/adapter", 1);
  await put("sql", 2);
  const { store, use } = await server();
  expect((await store.list()).map(({ name }) => name)).toEqual(["sql"]);
  for (const path of [".fine-tuning/runs/ftjob-1/adapter", ".Fine-Tuning/runs/ftjob-1/adapter"]) {
    await expect(use(path), path).rejects.toMatchObject({ code: "not_found" });
  }
  const place = folderPlace(root);
  const job = { id: "ftjob-1", owner: "acme", name: "ft:nano:acme::1" } as FineTuneJob;
  await publish(place, new JobStore(place), job);
  const written = await readFile(join(root, "manifest.json"), "utf8");
  // A name that is not a path is looked up in the manifest at once.
  const version = await use(job.name, "acme");
  await expect(use(job.name, "other")).rejects.toMatchObject({ code: "not_found" });
  expect((await store.list()).map(({ name, tenants }) => [name, tenants])).toEqual([
    [job.name, ["acme"]],
    ["sql", undefined],
  ]);
  await publish(place, new JobStore(place), job);
  expect(await readFile(join(root, "manifest.json"), "utf8")).toBe(written);
  expect(JSON.parse(written).adapters[job.name].version).toBe(version);
});

test("without discover, only what the manifest names is served", async () => {
  await put("v1", 1);
  await writeFile(join(root, "manifest.json"), '{"adapters": {}}');
  const { store, use } = await server();
  await expect(use("v1")).rejects.toThrow("The lora adapter 'v1' cannot be found.");
  expect(await store.list()).toEqual([]);
  await store.load("__proto__", "v1");
  await use("__proto__");
  expect(Object.keys((await manifest()).adapters)).toEqual(["__proto__"]);
});

test("a broken manifest is a warning, and the last good one goes on", async () => {
  await put("v1", 1);
  const { store, warnings, use, poll } = await server();
  await store.load("sql", "v1");
  const good = await readFile(join(root, "manifest.json"), "utf8");
  for (const [text, message] of [
    ['{"adapters": {', "JSON"],
    [
      '{"adapters": {"a": {"path": "v1", "version": "1", "method": "LORA"}}}',
      'adapters["a"].version is "1"; expected 64',
    ],
    ['{"adapters": {}, "adaptors": {}}', "the manifest has the unknown field adaptors"],
  ]) {
    await writeFile(join(root, "manifest.json"), text);
    await poll();
    await poll();
    expect(warnings.splice(0)).toMatchObject([{ code: "broken-manifest", message: expect.stringContaining(message) }]);
    await use("sql");
    await expect(store.load("other", "v1")).rejects.toMatchObject({ code: "unavailable" });
    expect(await readFile(join(root, "manifest.json"), "utf8")).toBe(text);
  }
  await writeFile(join(root, "manifest.json"), good);
  await store.load("other", "v1");
  const fresh = await (async () => {
    await writeFile(join(root, "manifest.json"), "[]");
    return server();
  })();
  await expect(fresh.use("sql")).rejects.toMatchObject({
    code: "unavailable",
    cause: expect.objectContaining({ message: expect.stringContaining("[]") }),
  });
  await writeFile(join(root, "manifest.json"), good);
  await fresh.use("sql");
});

test("while the store is away, what is on the model goes on, and the rest comes back by itself", async () => {
  await put("v1", 1);
  await put("v2", 2);
  const { store, warnings, use, poll } = await server();
  await store.load("a", "v1");
  await store.load("b", "v2");
  await use("v1");
  await store.unload("v2");
  await store.list();
  await rename(root, `${root}-away`);
  await poll();
  await poll();
  await use("a");
  await use("v1");
  const away = {
    ...{ code: "unavailable", message: "the store is not there", retryAfter: 5 },
    // Cause, for logs.
    cause: expect.objectContaining({ message: `there is no folder ${root}` }),
  };
  await expect(use("v3")).rejects.toMatchObject(away);
  await expect(store.load("c", "v2")).rejects.toMatchObject(away);
  await expect(store.unload("a")).rejects.toMatchObject(away);
  expect((await store.list()).map(({ name }) => name)).toEqual(["a", "b", "v1"]);
  expect(warnings).toMatchObject([{ code: "store-unavailable", message: expect.stringContaining("served as before") }]);
  const late = await server();
  await expect(late.use("a")).rejects.toMatchObject(away);
  await rename(`${root}-away`, root);
  await use("b");
  await store.load("c", "v2");
  await late.use("a");
});

test("a lock that a server left behind is taken away", async () => {
  await put("v1", 1);
  await writeFile(join(root, "manifest.json.lock"), "");
  const { store, clock } = await server();
  await expect(clock.until(store.load("sql", "v1"))).rejects.toMatchObject({ code: "unavailable" });
  const { utimes } = await import("node:fs/promises");
  await utimes(join(root, "manifest.json.lock"), new Date(0), Date.now() / 1000 - 31);
  await store.load("sql", "v1");
  const { readdir } = await import("node:fs/promises");
  expect((await readdir(root)).sort()).toEqual(["manifest.json", "v1"]);
});

test("a closed store refuses, and leaves no timer", async () => {
  await put("v1", 1);
  const { store, clock, use } = await server();
  await store.close();
  await expect(use("v1")).rejects.toMatchObject({ code: "draining" });
  await expect(store.load("a", "v1")).rejects.toMatchObject({ code: "draining" });
  expect(clock.timers).toBe(0);
});

test("a store needs memory for adapters", async () => {
  for (const maxAdapterBytes of [0, -1, Number.NaN]) {
    await expect(server({ maxAdapterBytes })).rejects.toThrow(
      `adapterStore: maxAdapterBytes is ${maxAdapterBytes}; expected a number of bytes above 0`,
    );
  }
  await server({ maxAdapterBytes: 1 });
});

test("names have 1 to 256 characters, and lists are sorted by them", async () => {
  await put("v1", 1);
  const { store } = await server();
  for (const name of ["", "x".repeat(257), "a\u0007", 7 as unknown as string]) {
    await expect(store.load(name, "v1")).rejects.toMatchObject({
      ...{ code: "invalid_request", param: "lora_name" },
      message: `lora_name is ${JSON.stringify(name)}; expected 1 to 256 characters, none of them a control character`,
    });
  }
  const names = ["x".repeat(256), "b", "é", "B", "a"];
  for (const name of names) await store.load(name, "v1");
  expect((await store.list()).map(({ name }) => name)).toEqual(["B", "a", "b", "x".repeat(256), "é", "v1"]);
});

test("a folder that failed is read again after 30 seconds, if it has not changed before", async () => {
  await writeFolder(
    join(root, "bad"),
    new Map([
      ["adapter_config.json", "{"],
      ["adapter_model.safetensors", "x"],
    ]),
  );
  const { store, clock, use } = await server();
  const failures: number[] = [];
  for (const ms of [0, 29_999, 1]) {
    clock.turn(ms);
    await expect(use("bad")).rejects.toMatchObject({ code: "adapter_refused" });
    failures.push(store.stats().failures);
  }
  expect(failures[1]).toBe(failures[0]);
  expect(failures[2]).toBeGreaterThan(failures[1]);
});

test("without discover, the path of a folder is no name to unload, and counts as none", async () => {
  await put("v1", 1);
  await writeFile(join(root, "manifest.json"), '{"adapters": {}}');
  const { store } = await server();
  await expect(store.unload("v1")).rejects.toThrow("The lora adapter 'v1' cannot be found.");
  expect(store.stats().registered).toBe(0);
  expect(await manifest()).toEqual({ adapters: {} });
});

test("an unload whose answer is lost counts once it is found written", async () => {
  await put("v1", 1);
  const given = folderPlace(root);
  let lost = 0;
  const place = {
    ...given,
    writeManifest: async (text: string, replaces: string | null) => {
      const tag = await given.writeManifest(text, replaces);
      return text.includes('"sql"') || lost++ > 0 ? tag : null;
    },
  };
  const { store, clock } = await server({ place });
  await store.load("sql", "v1");
  await clock.until(store.unload("sql"));
  expect([lost, (await manifest()).adapters]).toEqual([2, {}]);
});

test("a pinned adapter that is not loaded is a warning, once for each reason", async () => {
  await put("v1", 1);
  const entry = { path: "v1", version: "0".repeat(64), method: "LORA", pinned: true };
  await writeFile(join(root, "manifest.json"), JSON.stringify({ adapters: { sql: entry } }));
  const { store, warnings, poll } = await server();
  await expect.poll(() => warnings.length).toBe(1);
  expect(warnings[0].code).toBe("pinned-adapter");
  expect(warnings[0].message).toMatch(/^pinned adapter 'sql' is not loaded: v1 changed since it was loaded/);
  await poll();
  await poll();
  await new Promise((resolve) => setTimeout(resolve, 20));
  expect(warnings).toHaveLength(1);
  await rm(join(root, "v1"), { recursive: true });
  await poll();
  await expect.poll(() => warnings.length).toBe(2);
  expect(warnings[1].message).toMatch(/^pinned adapter 'sql' is not loaded: No adapter found in v1/);
  await store.close();
});

test("an adapter for which a tenant has no memory left is no failure of its folder", async () => {
  await put("a", 1);
  await put("b", 2);
  const { size } = await stat(join(root, "a/adapter_model.safetensors"));
  const { store, clock, use } = await server();
  const user = { tenant: "t", adapterMemory: size };
  const lease = await store.acquire("b", user);
  let code: string | null = null;
  store.acquire("a", user).catch((error) => {
    code = error.code;
  });
  // It waits for memory for a time.
  const turned = async () => {
    clock.turn(500);
    return code;
  };
  await expect.poll(turned, { timeout: 10_000 }).toBe("queue_full");
  await use("a");
  lease.release();
});

test("a folder that changes between its check and its load is checked again", async () => {
  await put("a", 1);
  await put("b", 2);
  const given = folderPlace(root);
  let change: (() => Promise<void>) | null = null;
  const place = {
    ...given,
    holds: async (...args: Parameters<typeof given.holds>) => {
      const same = await given.holds(...args);
      await change?.();
      change = null;
      return same;
    },
  };
  const { size } = await stat(join(root, "a/adapter_model.safetensors"));
  const { use, host, clock } = await server({ place, maxAdapterBytes: size });
  const first = await use("a");
  await use("b");
  expect(host.versions).not.toContain(first);
  change = () => put("a", 3);
  clock.turn(5000);
  const next = await use("a");
  expect(next).not.toBe(first);
  expect(host.versions).toEqual([next]);
});

test("a name that another server removed, and whose files have changed, is refused", async () => {
  await put("v1", 1);
  const [one, two] = [await server(), await server()];
  await one.store.load("sql", "v1");
  await two.poll();
  await put("v1", 2);
  await writeFile(join(root, "manifest.json"), '{"adapters": {}}');
  await expect(two.use("sql")).rejects.toMatchObject({ code: "adapter_refused" });
});
