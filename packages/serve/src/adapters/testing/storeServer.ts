import fsSync from "node:fs";
import fs, { mkdtemp, readFile, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { init, reference } from "@lowrank/core";
import { writeFolder } from "@lowrank/files";
import type { PeftConfig, Warning } from "@lowrank/peft";
import { afterAll, afterEach, beforeAll, beforeEach, vi } from "vitest";
import type { AdapterPlace } from "../../storage/adapterPlace.ts";
import { folderPlace } from "../../storage/folderPlace.ts";
import { AdapterStore, type AdapterStoreOptions } from "../adapterStore.ts";
import type { ManifestEntry } from "../manifest.ts";
import { HandClock } from "./handClock.ts";
import { adapterFiles, TinyHost } from "./tinyAdapters.ts";

/** Folder that holds the stores of a file's tests, and other files of these tests. */
export let made = "";

/** Store of the test that runs. */
export let root = "";

/** A server on the store, with its adapters, model and clock. */
export interface StoreServer {
  readonly store: AdapterStore;
  readonly host: TinyHost;
  readonly clock: HandClock;
  readonly warnings: Warning[];
  readonly place: AdapterPlace;
  /** Uses an adapter once, and returns its version. */
  readonly use: (name: string, tenant?: string) => Promise<string>;
  /** Makes the server read changes of others. */
  readonly poll: () => Promise<void>;
}

/** Gives each test of a file a new, empty store. */
export function useStoreFolder(): void {
  beforeAll(async () => {
    await init(reference());
    made = await mkdtemp(join(tmpdir(), "lowrank-store-"));
  });
  beforeEach(async () => {
    root = await mkdtemp(join(made, "store-"));
  });
  afterEach(() => void vi.restoreAllMocks());
  afterAll(() => rm(made, { recursive: true }));
}

/** Writes an adapter's folder into the store. */
export async function put(path: string, seed: number, config?: PeftConfig): Promise<void> {
  await writeFolder(join(root, path), await adapterFiles(seed, config));
}

/** Creates a server on the store. */
export async function server(options: Partial<AdapterStoreOptions> = {}): Promise<StoreServer> {
  const clock = new HandClock();
  const host = new TinyHost();
  const warnings: Warning[] = [];
  const given = options.place ?? folderPlace(root, clock);
  const looks: Promise<unknown>[] = [];
  const place: AdapterPlace = {
    ...given,
    readManifest: (known) => {
      const look = given.readManifest(known);
      looks.push(look);
      return look;
    },
  };
  const onWarning = (warning: Warning) => warnings.push(warning);
  const store = new AdapterStore(host, { clock, maxAdapterBytes: 1e6, onWarning, ...options, place });
  await store.start();
  const use = async (name: string, tenant = "t") => {
    const lease = await store.acquire(name, { tenant });
    lease.release();
    return lease.version;
  };
  const poll = async () => {
    clock.turn(5000);
    await looks.at(-1)?.catch(() => undefined);
    for (let i = 0; i < 10; i++) await null;
  };
  return { store, host, clock, warnings, place, use, poll };
}

/** Runs `work` once, before a file with that name is opened. Returns the names of opened files. */
export function onOpen(name: string, work: () => void): string[] {
  const opened: string[] = [];
  let done = false;
  const before = (path: unknown) => {
    opened.push(String(path));
    if (done || !String(path).endsWith(name)) return;
    done = true;
    work();
  };
  const { open } = fs;
  vi.spyOn(fs, "open").mockImplementation(async (path, ...rest) => {
    before(path);
    return open(path, ...rest);
  });
  const { openSync } = fsSync;
  vi.spyOn(fsSync, "openSync").mockImplementation((path, ...rest) => {
    before(path);
    return openSync(path, ...rest);
  });
  return opened;
}

/** Creates a server whose disk has just been slow. */
export async function slowServer(): Promise<StoreServer> {
  await put("first", 0);
  const slow = await server();
  onOpen("adapter_config.json", () => slow.clock.turn(5));
  await slow.use("first");
  vi.restoreAllMocks();
  return slow;
}

type Writable<T> = { -readonly [K in keyof T]: T[K] };

/** Reads the manifest. */
export async function manifest(): Promise<{ adapters: Record<string, Writable<ManifestEntry>> }> {
  return JSON.parse(await readFile(join(root, "manifest.json"), "utf8"));
}
