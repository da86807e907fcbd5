import { mkdtemp, readdir, readFile, readlink, rm, stat, symlink, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { type FakeHub, fakeCommit, startFakeHub } from "@lowrank/test-support/hub";
import { afterEach, beforeEach, expect, it, vi } from "vitest";
import { nodeModules } from "../disk/nodeModules.ts";
import { hubFiles } from "./hubFiles.ts";
import { hubSettings } from "./hubSettings.ts";

const weights = Uint8Array.from({ length: 5000 }, (_, i) => i * 7);
const path = "model.safetensors";
let hub: FakeHub;
let home = "";

beforeEach(async () => {
  hub = await startFakeHub();
  home = await mkdtemp(join(tmpdir(), "lowrank-hub-"));
  for (const name of ["HF_HUB_CACHE", "HUGGINGFACE_HUB_CACHE", "HF_TOKEN", "HF_TOKEN_PATH", "HF_HUB_OFFLINE"]) {
    vi.stubEnv(name, undefined);
  }
  vi.stubEnv("HF_HOME", home);
  vi.stubEnv("HF_ENDPOINT", `${hub.endpoint}/`);
  await hub.put({ name: "org/name" }, [
    ["config.json", "{}"],
    [path, weights],
    ["adapter/adapter_config.json", "[]"],
  ]);
});

afterEach(async () => {
  vi.unstubAllEnvs();
  await hub[Symbol.asyncDispose]();
  await rm(home, { recursive: true });
});

const load = async (options = {}) => {
  const source = await (await hubFiles("hf://org/name", options)).open(path);
  return source.read(0, source.size);
};
const names = async (folder: string) => (await readdir(folder, { recursive: true })).sort();

it("the cache is laid out as Python's huggingface_hub lays it out", async () => {
  const files = await hubFiles("hf://org/name");
  for (const name of ["config.json", path, "adapter/adapter_config.json"]) await files.open(name);
  const root = join(home, "hub", "models--org--name");
  const commit = join("snapshots", fakeCommit);
  const blobs = await readdir(join(root, "blobs"));
  expect(blobs.map(({ length }) => length).sort()).toEqual([40, 40, 64]);
  expect(await names(root)).toEqual(
    [
      ...["blobs", ...blobs.map((name) => join("blobs", name)), "refs", join("refs", "main"), "snapshots", commit],
      ...["adapter", join("adapter", "adapter_config.json"), "config.json", path].map((name) => join(commit, name)),
    ].sort(),
  );
  expect(await readFile(join(root, "refs", "main"), "utf8")).toBe(fakeCommit);
  expect(await readlink(join(root, commit, path))).toBe(`../../blobs/${blobs.find(({ length }) => length === 64)}`);
  expect(await readlink(join(root, commit, "adapter", "adapter_config.json"))).toMatch(/^\.\.\/\.\.\/\.\.\/blobs\//);
});

it("files of inner folders are listed offline, and a commit is no revision of the cache", async () => {
  const pinned = await hubFiles(`hf://org/name@${fakeCommit}`);
  for (const name of ["config.json", "adapter/adapter_config.json"]) await pinned.open(name);
  const root = join(home, "hub", "models--org--name");
  expect((await readdir(root)).sort()).toEqual(["blobs", "snapshots"]);
  const files = await hubFiles(`hf://org/name@${fakeCommit}`, { localFilesOnly: true });
  expect((await files.list?.())?.sort()).toEqual(["adapter/", "config.json"]);
  expect(await files.list?.("adapter")).toEqual(["adapter_config.json"]);
});

it("an interrupted download leaves an .incomplete blob alone, which the next one fills", async () => {
  await hub.fail({ path, times: 1, cutAfter: 1000 });
  await hub.fail({ path, times: 3, cutAfter: 0 });
  await expect(load()).rejects.toThrow("1000 of 5000 bytes");
  const root = join(home, "hub", "models--org--name");
  const [part, ...others] = await readdir(join(root, "blobs"));
  expect([part.endsWith(".incomplete"), others]).toEqual([true, []]);
  expect((await stat(join(root, "blobs", part))).size).toBe(1000);
  expect(await readdir(root)).toEqual(["blobs"]);
  expect(await load()).toEqual(weights);
  expect(await readdir(join(root, "blobs"))).toEqual([part.replace(".incomplete", "")]);
});

it("two downloads of one file at once both end with the file", async () => {
  await hub.fail({ path, times: 1, cutAfter: 1000 });
  expect(await Promise.all([load(), load(), load()])).toEqual([weights, weights, weights]);
  expect((await readdir(join(home, "hub", "models--org--name", "blobs"))).length).toBe(1);
});

it("a blob of another length than the hub says is named", async () => {
  await load();
  const root = join(home, "hub", "models--org--name");
  const [blob] = await readdir(join(root, "blobs"));
  await rm(join(root, "snapshots"), { recursive: true });
  await writeFile(join(root, "blobs", blob), "short");
  await expect(load()).rejects.toThrow(`${join(root, "blobs", blob)} has 5 bytes, but ${path} of org/name has 5000`);
});

it("the environment says where the cache is, and if the hub may be asked", async () => {
  const other = join(home, "other");
  vi.stubEnv("HF_HUB_CACHE", other);
  expect(await load()).toEqual(weights);
  expect(await readdir(other)).toEqual(["models--org--name"]);
  vi.stubEnv("HF_HUB_OFFLINE", "1");
  await hub.requests();
  expect(await load()).toEqual(weights);
  expect(await hub.requests()).toEqual([]);
  await expect(load({ cacheDir: join(home, "third") })).rejects.toThrow('has no revision "main" of org/name');
  expect(await load({ cacheDir: join(home, "third"), localFilesOnly: false })).toEqual(weights);
});

it("the token comes from HF_TOKEN, else from the file of `hf auth login`", async () => {
  await hub.put({ name: "org/name", access: "private" }, [[path, weights]]);
  await expect(load()).rejects.toThrow("shows no model org/name (401, RepoNotFound)");
  await writeFile(join(home, "token"), "hf_owner\n");
  expect(await load()).toEqual(weights);
  vi.stubEnv("HF_TOKEN", "hf_other");
  await expect(load()).rejects.toThrow("the token may be wrong");
  vi.stubEnv("HF_TOKEN", "other");
  await expect(load()).rejects.toThrow(
    'HF_TOKEN holds no access token of the Hugging Face hub, which begins with "hf_"',
  );
});

it.skipIf(process.platform !== "linux")("a full disk: the error names the file of the cache", async () => {
  await load();
  const blobs = join(home, "hub", "models--org--name", "blobs");
  const [blob] = await readdir(blobs);
  await rm(join(home, "hub", "models--org--name", "snapshots"), { recursive: true });
  await rm(join(blobs, blob));
  await symlink("/dev/full", join(blobs, `${blob}.incomplete`));
  await expect(load()).rejects.toThrow(`${blob}.incomplete: no space is left on the disk for its`);
});

it("a disk that takes only a part of each write gets the rest after it", async () => {
  const { fs } = nodeModules(home);
  const real = fs.open;
  const opened = vi.spyOn(fs, "open").mockImplementation(async (...args) => {
    const handle = await real(...args);
    const write = handle.write.bind(handle) as (...args: unknown[]) => Promise<never>;
    handle.write = ((bytes: Uint8Array, from: number, length: number, position: number) =>
      write(bytes, from, Math.min(length, 700), position)) as never;
    return handle;
  });
  expect(await load()).toEqual(weights);
  opened.mockRestore();
});

it.each([
  [403, "", "hf_x", "hf://org/name is closed to the token's account (403); ask for access at "],
  [401, "GatedRepo", "hf_x", "hf://org/name is closed to the token's account (401, GatedRepo); ask for access at "],
  [401, "GatedRepo", "", "hf://org/name is gated (401, GatedRepo); accept its terms at "],
  [404, "", "hf_x", "shows no model org/name (404); check the name; the token may be wrong"],
  [500, "", "", ": 500"],
])("the status %d with code %j and token %j is explained", async (status, code, token, message) => {
  vi.stubGlobal("fetch", async () => new Response("", { status, headers: { "X-Error-Code": code } }));
  try {
    await expect(hubFiles("hf://org/name", { token })).rejects.toThrow(message);
  } finally {
    vi.unstubAllGlobals();
  }
});

it("a page has no folder for its cache, and takes its token from the options alone", async () => {
  const inPage = async (options: Parameters<typeof hubSettings>[0]) => {
    vi.stubGlobal("process", {});
    return hubSettings(options)
      .catch((error) => error.message)
      .finally(() => vi.unstubAllGlobals());
  };
  expect(await inPage({ token: "hf_a" })).toEqual({
    ...{ token: "hf_a", endpoint: "https://huggingface.co", offline: false, cacheDir: undefined },
  });
  expect(await inPage({ cacheDir: "x" })).toBe(
    'cacheDir "x" is a folder, but browsers cache files in Cache Storage; leave it out',
  );
});
