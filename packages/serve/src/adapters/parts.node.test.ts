import { afterEach, beforeEach, describe, expect, test, vi } from "vitest";
import { MemoryStore } from "../access/testing/memoryStore.ts";
import { ServingError } from "../api/api.ts";
import { unavailable } from "../storage/adapterPlace.ts";
import { Failures } from "./adapterLoads.ts";
import { limiter } from "./cache/limiter.ts";
import { isFiniteAtOnce } from "./checkAdapter.ts";
import { FoundAdapters } from "./foundAdapters.ts";
import type { Manifest } from "./manifest.ts";
import { ManifestWatch } from "./manifestWatch.ts";
import { type AdapterContent, findAdapter, readAdapter } from "./readAdapter.ts";
import { HandClock } from "./testing/handClock.ts";

let store: MemoryStore;
beforeEach(() => {
  store = new MemoryStore();
});
afterEach(() => void vi.restoreAllMocks());

/** Writes an adapter's folder, whose contents no test reads. */
function write(path: string, config = "{}", weights = "w"): void {
  store.write(`${path}/adapter_config.json`, config);
  store.write(`${path}/adapter_model.safetensors`, weights);
}
const settled = () => new Promise((resolve) => setImmediate(resolve));

describe("failures", () => {
  const start = () => {
    const clock = new HandClock();
    clock.turn(7000);
    const failures = new Failures(clock, { forMs: 1000, checkMs: 50 });
    let [state, asked]: [string | null, number] = ["same", 0];
    const fails = async (key = "k") => {
      const error = await failures
        .check(key, async () => {
          asked++;
          return state;
        })
        .catch((error) => error);
      return error?.message ?? null;
    };
    const become = (next: string | null) => {
      state = next;
    };
    return { clock, failures, fails, become, asked: () => asked };
  };
  const broken = new ServingError("adapter_refused", "broken", "lora_path", 3);

  test("are repeated for a time; the folder is looked at once per interval", async () => {
    const { clock, failures, fails, asked } = start();
    expect(await fails()).toBe(null);
    failures.add("k", broken, "same");
    const seen: [number, unknown, number][] = [];
    for (const ms of [0, 49, 1, 49, 1, 899, 1]) {
      clock.turn(ms);
      seen.push([ms, await fails(), asked()]);
    }
    expect(seen).toEqual([
      ...[
        [0, "broken", 0],
        [49, "broken", 0],
        [1, "broken", 1],
        [49, "broken", 1],
        [1, "broken", 2],
      ],
      ...[
        [899, "broken", 3],
        [1, null, 3],
      ],
    ]);
    failures.add("k", broken, "same");
    await expect(failures.check("k", async () => "same")).rejects.toMatchObject({
      ...{ code: "adapter_refused", param: "lora_path", retryAfter: 3 },
    });
    failures.forget("k");
    expect(await fails()).toBe(null);
  });

  test.each([
    ["same", "broken", "broken"],
    [null, "broken", "broken"],
    ["other", null, null],
  ])("of a folder whose state is %j now give %j, and then %j", async (state, first, second) => {
    const { clock, failures, fails, become } = start();
    failures.add("k", broken, "same");
    become(state);
    clock.turn(50);
    expect(await fails()).toBe(first);
    become("same");
    expect(await fails()).toBe(second);
  });

  test("are at most a thousand, the latest ones", async () => {
    const { failures, fails } = start();
    for (let i = 0; i < 1000; i++) failures.add(`${i}`, broken, null);
    expect(await fails("0")).toBe("broken");
    failures.add("1", broken, null);
    failures.add("1000", broken, null);
    expect([await fails("0"), await fails("1"), await fails("2"), await fails("1000")]).toEqual([
      ...[null, "broken", "broken", "broken"],
    ]);
  });
});

test.each([1, 2, 3])("%i of five works run at once, in order", async (most) => {
  const limited = limiter(most);
  const ends: (() => void)[] = [];
  const begun: number[] = [];
  const works = [0, 1, 2, 3, 4].map((i) =>
    limited(() => {
      begun.push(i);
      return new Promise<void>((resolve) => ends.push(resolve));
    }),
  );
  for (let ended = 0; ended < 5; ended++) {
    await settled();
    expect(begun).toEqual([0, 1, 2, 3, 4].slice(0, most + ended));
    ends[ended]();
  }
  await Promise.all(works);
  // All places are free again.
  for (let i = 0; i < most; i++) void limited(async () => void begun.push(9));
  await settled();
  expect(begun.slice(5)).toEqual(Array(most).fill(9));
});

describe("an adapter's folder", () => {
  const weightsOf = async (...names: string[]) => {
    store = new MemoryStore();
    for (const name of names) store.write(`a/${name}`, "x");
    return findAdapter(store.place, "a").then(
      ({ weights }) => weights.name,
      ({ code, message }) => `${code}: ${message}`,
    );
  };
  const [config, usual] = ["adapter_config.json", "adapter_model.safetensors"];
  const fix = `expected ${usual}; weights of torch.save are not read: load them with PEFT and save them again`;

  test("has a configuration, and one file of weights or the usual one", async () => {
    expect(await weightsOf()).toBe("not_found: No adapter found in a of the store");
    expect(await weightsOf("b", "a")).toBe("not_found: No adapter found in a of the store, which holds a, b");
    expect(await weightsOf(config, usual)).toBe(usual);
    expect(await weightsOf(config, "x.safetensors")).toBe("x.safetensors");
    expect(await weightsOf(config, "a.safetensors", usual, "z.safetensors")).toBe(usual);
    const two = await weightsOf(config, "x.safetensors", "y.safetensors");
    expect(two).toBe(`adapter_refused: a of the store holds ${config}, x.safetensors, y.safetensors; ${fix}`);
    const old = await weightsOf(config, "adapter_model.bin");
    expect(old).toBe(`adapter_refused: a of the store holds ${config}, adapter_model.bin; ${fix}`);
  });

  test("has a configuration of at most a mebibyte, and weights of at most the limit", async () => {
    const read = async (configBytes: number, weightBytes: number) => {
      write("a", " ".repeat(configBytes), "w".repeat(weightBytes));
      return readAdapter(store.place, "a", 10).then(
        () => "read",
        ({ message }) => message,
      );
    };
    expect(await read(2 ** 20, 10)).toBe("read");
    expect(await read(2 ** 20 + 1, 10)).toBe(
      "a of the store: adapter_config.json has 1048577 bytes; at most 1048576 are read",
    );
    expect(await read(2, 11)).toBe(
      "a of the store: adapter_model.safetensors has 11 bytes, and maxAdapterBytes is 10; give maxAdapterBytes more, or train a lower rank",
    );
  });

  test("that changes while it is read is read three times at most", async () => {
    write("a");
    const { place } = store;
    const calls: string[] = [];
    let changes = Number.POSITIVE_INFINITY;
    const moving = {
      ...place,
      files: async (path: string) => {
        calls.push("files");
        return place.files(path);
      },
      read: async (...args: Parameters<typeof place.read>) => {
        calls.push("read");
        return changes-- > 0 ? null : place.read(...args);
      },
    };
    const found = await findAdapter(place, "a");
    await expect(readAdapter(moving, "a", 10, found)).rejects.toMatchObject({
      ...{ code: "unavailable", retryAfter: 1 },
      message: "a of the store changes while it is read; try again when it is written",
    });
    expect(calls.splice(0)).toEqual(["read", "files", "read", "files", "read"]);
    changes = 2;
    await readAdapter(moving, "a", 10);
    expect(calls.splice(0)).toEqual(["files", "read", "files", "read", "files", "read"]);
    await readAdapter(moving, "a", 10, found);
    expect(calls).toEqual(["read"]);
  });
});

describe("finite values in one pass", () => {
  const layout = (...parts: [dtype: string, byteLength: number][]) => ({
    tensors: parts.map(([dtype, byteLength], i) => ({ key: `t${i}`, dtype, byteLength, shape: [byteLength] })),
  });
  const at = (bytes: Uint8Array, parts: [string, number][]) => isFiniteAtOnce(layout(...parts) as never, bytes);
  const f32 = (...values: number[]) => new Uint8Array(Float32Array.from(values).buffer);

  test("are those of one dtype", () => {
    expect(at(f32(1, 2), [["F32", 8]])).toBe(true);
    expect(
      at(f32(1, 2), [
        ["F32", 4],
        ["F32", 4],
      ]),
    ).toBe(true);
    expect(
      at(f32(1, 2), [
        ["F32", 4],
        ["F16", 4],
      ]),
    ).toBe(false);
    expect(at(f32(1, 2), [])).toBe(true);
    // 1 and NaN in half precision; as one float32 they are finite.
    expect(at(Uint8Array.of(0, 0x3c, 0, 0x7e), [["F16", 4]])).toBe(false);
    expect(at(Uint8Array.of(0, 0x3c, 0, 0x3c), [["F16", 4]])).toBe(true);
  });

  test("are found at any place, after the head of the file", () => {
    for (const values of [
      [Number.NaN, 1, 1],
      [1, Number.NaN, 1],
      [1, 1, Number.POSITIVE_INFINITY],
    ]) {
      expect(at(f32(...values), [["F32", 12]])).toBe(false);
    }
    expect(at(f32(Number.NaN, 1, 1), [["F32", 8]])).toBe(true);
  });

  test("are at most a mebibyte, and begin at a multiple of four bytes", () => {
    expect(at(new Uint8Array(2 ** 20), [["F32", 2 ** 20]])).toBe(true);
    expect(at(new Uint8Array(2 ** 20 + 4), [["F32", 2 ** 20 + 4]])).toBe(false);
    const buffer = new Uint8Array(32);
    for (const [offset, length, expected] of [
      [0, 20, true],
      [1, 20, false],
      [2, 20, false],
      [4, 20, true],
      [5, 19, true],
    ] as const) {
      expect([offset, at(buffer.subarray(offset, offset + length), [["F32", 16]])]).toEqual([offset, expected]);
    }
  });
});

describe("the manifest", () => {
  const start = (more: Partial<MemoryStore["place"]> = {}) => {
    const clock = new HandClock();
    const waits: [ms: number, background?: boolean][] = [];
    const after = (ms: number, fn: () => void, background?: boolean) => {
      waits.push([ms, background]);
      return clock.after(ms, fn);
    };
    const warnings: string[] = [];
    const watch = new ManifestWatch({
      ...{ place: { ...store.place, ...more }, clock: { now: () => clock.now(), after }, pollMs: 70 },
      onLook: () => undefined,
      onWarning: ({ message }) => void warnings.push(message),
    });
    return { clock, watch, waits, warnings };
  };
  const add = (name: string) => (manifest: Manifest) => ({
    ...manifest,
    adapters: { ...manifest.adapters, [name]: { path: name, version: "0".repeat(64), method: "LORA" } },
  });

  test("is looked at in the background, until the watch is closed", async () => {
    const { clock, watch, waits } = start();
    await watch.start();
    expect(waits).toEqual([[70, true]]);
    clock.turn(70);
    await settled();
    expect([waits, clock.timers]).toEqual([
      [
        [70, true],
        [70, true],
      ],
      1,
    ]);
    watch.close();
    expect(clock.timers).toBe(0);
  });

  test("is not looked at again if the watch is closed during a look", async () => {
    const { clock, watch } = start();
    const started = watch.start();
    watch.close();
    await started;
    expect(clock.timers).toBe(0);
  });

  test("is waited for two seconds at most", async () => {
    let answer: (found: null) => void = () => {};
    let isAway = false;
    const { clock, watch, waits } = start({
      readManifest: async () => (isAway ? new Promise((resolve) => (answer = resolve)) : null),
    });
    const known = await watch.fresh();
    expect([waits, clock.timers]).toEqual([[[2000, undefined]], 0]);
    isAway = true;
    let found: Manifest | null = null;
    const fresh = watch.fresh().then((manifest) => {
      found = manifest;
    });
    await settled();
    clock.turn(1999);
    await settled();
    expect(found).toBe(null);
    clock.turn(1);
    await fresh;
    expect(found).toBe(known);
    answer(null);
  });

  test("that is broken may be asked for again in 5 seconds", async () => {
    store.write("manifest.json", "{");
    const { watch } = start();
    await expect(watch.current()).rejects.toMatchObject({
      ...{
        code: "unavailable",
        retryAfter: 5,
        message: "the store's manifest.json is broken; ask its operator to repair it",
      },
    });
  });

  test("is tried twenty times to write, after growing random pauses", async () => {
    vi.spyOn(Math, "random").mockReturnValue(0.5);
    let writes = 0;
    const { clock, watch, waits } = start({
      writeManifest: async () => {
        writes++;
        return null;
      },
    });
    await expect(clock.until(watch.edit(add("a")))).rejects.toMatchObject({
      ...{ code: "unavailable", message: "other servers kept writing the store's manifest.json first; try again" },
    });
    expect(writes).toBe(20);
    expect(waits.map(([ms]) => ms)).toEqual([20, 40, 80, 160, 320, ...Array(14).fill(500)]);
  });

  test("is written for one change at a time", async () => {
    let [running, most] = [0, 0];
    const { writeManifest } = store.place;
    const { watch } = start({
      writeManifest: async (...args) => {
        running++;
        most = Math.max(most, running);
        await settled();
        running--;
        return writeManifest(...args);
      },
    });
    await Promise.all(["a", "b", "c"].map((name) => watch.edit(add(name))));
    expect([most, Object.keys(watch.known?.adapters ?? {})]).toEqual([1, ["a", "b", "c"]]);
  });
});

describe("folders without a name", () => {
  const start = (more: Partial<MemoryStore["place"]> = {}) => {
    const clock = new HandClock();
    clock.turn(9000);
    const events: string[] = [];
    const found = new FoundAdapters({ place: { ...store.place, ...more }, clock, pollMs: 100, maxBytes: 1e6 });
    /** Uses a folder as a request does. */
    const use = async (path: string) => {
      const look = await found.look(path);
      if ("content" in look) events.push(found.accept(path, look.content, "LORA") ? "changed" : `added ${path}`);
      return look;
    };
    return { clock, found, events, use };
  };

  test("are listed again after the interval, and as before while the store is away", async () => {
    write("a");
    let failure: Error | null = null;
    const { adapters } = store.place;
    const { clock, found, use } = start({
      adapters: async () => {
        if (failure) throw failure;
        return adapters();
      },
    });
    expect(await found.list()).toEqual(["a"]);
    write("b");
    clock.turn(99);
    expect([await found.list(), found.count, found.has("b")]).toEqual([["a"], 1, false]);
    await use("b");
    expect([await found.list(), found.count, found.has("b")]).toEqual([["a", "b"], 2, true]);
    clock.turn(1);
    expect([await found.list(), found.count]).toEqual([["a", "b"], 2]);
    clock.turn(100);
    failure = unavailable("away");
    expect(await found.list()).toEqual(["a", "b"]);
    failure = new Error("a fault");
    await expect(found.list()).rejects.toThrow("a fault");
    failure = unavailable("away");
    const late = start({ adapters: () => Promise.reject(failure) });
    await expect(late.found.list()).rejects.toThrow("away");
  });

  test("are due for a look after the interval", async () => {
    write("a");
    const { clock, found, use } = start();
    expect(found.isDue("a")).toBe(true);
    await use("a");
    const due = [0, 99, 1].map((ms) => {
      clock.turn(ms);
      return found.isDue("a");
    });
    expect(due).toEqual([false, false, true]);
    expect("version" in (await use("a"))).toBe(true);
    expect(found.isDue("a")).toBe(false);
  });

  test("share texts of configurations: the last 32, of at most 4096 characters", async () => {
    const { found, use } = start();
    const known = async (path: string, config: string) => {
      write(path, config);
      await use(path);
      return found.get(path)?.folder?.known;
    };
    const first = await known("a", "1".padEnd(4096));
    expect(first?.text).toBe("1".padEnd(4096));
    expect(await known("long", "1".padEnd(4097))).toBe(undefined);
    for (let i = 0; i < 31; i++) await known(`f${i}`, `{"a": ${i}}`);
    expect(await known("b", "1".padEnd(4096))).toBe(first);
    await known("g", "{}");
    expect(await known("c", "1".padEnd(4096))).not.toBe(first);
    expect(await known("h", "{}")).toBe(found.get("g")?.folder?.known);
  });

  test("are read again when they have changed, or are expired", async () => {
    write("a");
    const { found, use, events } = start();
    await use("a");
    const { version, folder } = found.get("a")!;
    expect(await use("a")).toEqual({ version, folder });
    found.expire("a");
    found.expire("unknown");
    expect([found.get("a")?.folder, found.get("unknown")]).toEqual([null, undefined]);
    const again = (await use("a")) as { content: AdapterContent };
    expect(again.content.version).toBe(version);
    write("a", "{}", "other");
    expect(((await use("a")) as { content: AdapterContent }).content.version).not.toBe(version);
    expect(events).toEqual(["added a", "changed", "changed"]);
    found.keep("unknown", again.content);
    expect(found.versions.map(([path]) => path)).toEqual(["a"]);
  });

  test("are forgotten when they are gone, and not while the store is away", async () => {
    write("a");
    let failure: Error | null = null;
    const { files, holds } = store.place;
    const { found, use, events } = start({
      files: async (path) => {
        if (failure) throw failure;
        return files(path);
      },
      holds: async (...args) => {
        if (failure) throw failure;
        return holds(...args);
      },
    });
    await use("a");
    const { version } = found.get("a")!;
    failure = unavailable("away");
    expect(await found.look("a")).toEqual({ version, folder: null });
    await expect(found.look("b")).rejects.toThrow("away");
    failure = new ServingError("adapter_refused", "no weights");
    await expect(found.look("a")).rejects.toThrow("no weights");
    failure = new Error("not_found");
    await expect(found.look("a")).rejects.toThrow("not_found");
    expect([found.get("a")?.version, found.has("a"), events]).toEqual([version, true, ["added a"]]);
    failure = null;
    for (const name of ["adapter_config.json", "adapter_model.safetensors"]) store.remove(`a/${name}`);
    expect(await found.look("a")).toMatchObject({ missing: { code: "not_found" }, wasKnown: true });
    expect([found.get("a"), found.has("a"), found.count, events]).toEqual([undefined, false, 0, ["added a"]]);
    expect(await found.look("a")).toMatchObject({ missing: { code: "not_found" }, wasKnown: false });
  });
});
