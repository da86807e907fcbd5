import type { Progress } from "@lowrank/core";
import { type FakeHub, fakeCommit, startFakeHub } from "@lowrank/test-support/hub";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import type { ModelFiles } from "../interface/modelFiles.ts";
import { openFile } from "../open/openFile.ts";
import { openFiles } from "../open/openFiles.ts";
import { hubFiles } from "./hubFiles.ts";
import type { HubFilesOptions } from "./hubSettings.ts";

const weights = Uint8Array.from({ length: 5000 }, (_, i) => i * 7);
const contents = new Map<string, Uint8Array | string>([
  ["config.json", '{ "model_type": "llama", "name": "é" }'],
  ["model.safetensors", weights],
  ["pytorch_model.bin", new Uint8Array(10)],
  ["adapter/adapter_config.json", "{}"],
]);

// Each test uses its own repository, since pages share their Cache Storage.
let hub: FakeHub;
let cacheDir: string | undefined;
let repo = "";
let count = 0;
const inNode = globalThis.process?.getBuiltinModule !== undefined;

beforeEach(async () => {
  hub = await startFakeHub();
  repo = `org/model-${count++}`;
  await hub.put({ name: repo, tags: { v1: fakeCommit, "refs/pr/1": fakeCommit } }, contents);
  const node = globalThis.process?.getBuiltinModule;
  if (node) cacheDir = await node("node:fs/promises").mkdtemp(`${node("node:os").tmpdir()}/lowrank-hub-`);
});

afterEach(async () => {
  await hub[Symbol.asyncDispose]();
  if (cacheDir) await globalThis.process.getBuiltinModule("node:fs/promises").rm(cacheDir, { recursive: true });
});

const open = (options: HubFilesOptions = {}, suffix = ""): Promise<ModelFiles> =>
  hubFiles(`hf://${repo}${suffix}`, { endpoint: hub.endpoint, cacheDir, ...options });

const readAll = async (files: ModelFiles, name = "model.safetensors") => {
  const source = await files.open(name);
  return source.read(0, source.size);
};

/** Returns the requests for the content of a file. */
const bodies = async () => (await hub.requests()).filter((line) => /\/resolve\/|\/lfs\//.test(line));

describe("a model of the hub", () => {
  it("downloads the files that are opened, and those alone", async () => {
    const progress: Progress[] = [];
    const files = await open({ onProgress: (report) => progress.push(report) });
    expect(await hub.requests()).toHaveLength(1);
    expect(await files.has("model.safetensors")).toBe(true);
    expect(await files.has("generation_config.json")).toBe(false);
    expect(await files.readText("config.json")).toBe(contents.get("config.json"));
    const source = await files.open("model.safetensors");
    expect(source.size).toBe(5000);
    expect(Array.from(await source.read(4990, 10))).toEqual(Array.from(weights.subarray(4990)));
    // Node downloads whole files; a page requests the ranges that are read.
    const [config, whole] = inNode ? ["", ""] : [" bytes=0-38", " bytes=0-4999"];
    expect(await bodies()).toEqual([
      `GET ${repo}/resolve/${fakeCommit}/config.json${config}`,
      `GET ${repo}/resolve/${fakeCommit}/model.safetensors${whole}`,
      expect.stringMatching(new RegExp(`^GET -/lfs/.*/model.safetensors${whole}$`)),
    ]);
    expect(progress.at(-1)).toEqual({ loaded: 5000, total: 5000, name: "model.safetensors" });
    expect(await files.list?.()).toEqual(["config.json", "model.safetensors", "pytorch_model.bin", "adapter/"]);
    expect(await files.list?.("adapter")).toEqual(["adapter_config.json"]);
    await expect(files.open("tokenizer.json")).rejects.toThrow(
      `hf://${repo} has no tokenizer.json (it holds adapter/, config.json, model.safetensors, pytorch_model.bin)`,
    );
  });

  it("is read again without a request for a file, by its commit without any", async () => {
    await readAll(await open());
    await hub.requests();
    expect(await readAll(await open())).toEqual(weights);
    expect(await hub.requests()).toEqual([`GET api/models/${repo}/revision/main`]);
    const progress: Progress[] = [];
    const pinned = await open({ onProgress: (report) => progress.push(report) }, `@${fakeCommit}`);
    expect(await readAll(pinned)).toEqual(weights);
    expect([await hub.requests(), progress]).toEqual([[], []]);
  });

  it("is read offline, as far as it was downloaded", async () => {
    await expect(open({ localFilesOnly: true })).rejects.toThrow(`has no revision "main" of ${repo}; load it once`);
    await readAll(await open());
    await hub.requests();
    const files = await open({ localFilesOnly: true });
    expect(await readAll(files)).toEqual(weights);
    expect([await files.has("model.safetensors"), await files.has("config.json")]).toEqual([true, false]);
    await expect(files.readText("config.json")).rejects.toThrow(
      `hf://${repo} (offline) has no config.json (it holds model.safetensors)`,
    );
    expect(await hub.requests()).toEqual([]);
  });

  it("tells of a hub out of reach what to do", async () => {
    const nowhere = open({ endpoint: "http://127.0.0.1:9" });
    await expect(nowhere).rejects.toThrow(/http:\/\/127\.0\.0\.1:9 cannot be reached \(.+\); if the model was down/);
    await expect(nowhere).rejects.toThrow("set HF_HUB_OFFLINE=1, or hub: { localFilesOnly: true }");
  });

  it("has branches, tags and pull requests", async () => {
    const other = "f".repeat(40);
    for (const suffix of ["@v1", "@refs/pr/1", "@refs%2Fpr%2F1", `@${fakeCommit}`]) {
      expect(await readAll(await open({}, suffix))).toEqual(weights);
    }
    await hub.put({ name: repo, commit: other }, [["model.safetensors", "new"]]);
    expect(new TextDecoder().decode(await readAll(await open()))).toBe("new");
    expect(new TextDecoder().decode(await readAll(await open({ localFilesOnly: true })))).toBe("new");
    expect(await readAll(await open({ localFilesOnly: true }, "@v1"))).toEqual(weights);
    await expect(open({}, "@none")).rejects.toThrow(
      `hf://${repo} has no such revision (404, RevisionNotFound); ${hub.endpoint}/${repo}/refs names its branches and tags`,
    );
  });

  it("does not download again what another commit has alike", async () => {
    await readAll(await open());
    await hub.put({ name: repo, commit: "e".repeat(40) }, contents);
    await hub.requests();
    expect(await readAll(await open())).toEqual(weights);
    expect(await bodies()).toEqual([]);
  });

  it("is one folder of a repository, or one file", async () => {
    const files = await openFiles(`hf://${repo}/adapter`, { hub: { endpoint: hub.endpoint, cacheDir } });
    expect(await files.readText("adapter_config.json")).toBe("{}");
    expect(await files.list?.()).toEqual(["adapter_config.json"]);
    const url = new URL(`hf://${repo}@v1/model.safetensors`);
    const source = await openFile(url, { hub: { endpoint: hub.endpoint, cacheDir } });
    expect(source.size).toBe(5000);
    await expect(openFile(`hf://${repo}`)).rejects.toThrow(
      "is a repository; give the address of a file, such as hf://",
    );
  });

  it("is downloaded once for two readers", async () => {
    const files = await open();
    expect(await Promise.all([readAll(files), readAll(files)])).toEqual([weights, weights]);
    expect((await bodies()).length).toBe(2);
  });
});

describe.runIf(inNode)("an interrupted download", () => {
  const path = "model.safetensors";

  it("goes on by a Range request when the connection breaks", async () => {
    await hub.fail({ path, times: 2, cutAfter: 1000 });
    const loaded: number[] = [];
    const files = await open({ onProgress: (report) => loaded.push(report.loaded) });
    expect(await readAll(files)).toEqual(weights);
    const ranges = (await bodies()).flatMap((line) => (line.includes("lfs") ? [line.split(" ")[2]] : []));
    // Bytes received but not yet read are lost when the connection breaks, so the start may be below 1000.
    const starts = ranges.map((range) => Number(/^bytes=(\d+)-4999$/.exec(range ?? "bytes=0-4999")?.[1]));
    expect(starts).toHaveLength(3);
    expect(starts[2]).toBeGreaterThan(0);
    for (const start of starts) expect(loaded).toContain(start);
    expect(starts).toEqual(starts.toSorted((a, b) => a - b));
    expect(loaded).toEqual(loaded.toSorted((a, b) => a - b));
  });

  it("keeps what came, and a later load goes on from there", async () => {
    await hub.fail({ path, times: 1, cutAfter: 1000 });
    await hub.fail({ path, times: 3, cutAfter: 0 });
    await expect(readAll(await open())).rejects.toThrow(
      new RegExp(
        `hf://${repo}: ${path} broke off after 1000 of 5000 bytes \\(.+\\); the bytes are kept: load again to resume`,
      ),
    );
    expect(await (await open({ localFilesOnly: true }, `@${fakeCommit}`)).has(path)).toBe(false);
    await hub.requests();
    expect(await readAll(await open())).toEqual(weights);
    expect((await bodies()).at(-1)).toMatch(/bytes=1000-4999$/);
  });

  it("begins anew with a server that knows no ranges", async () => {
    await hub.fail({ path, times: 1, cutAfter: 1000 });
    await hub.fail({ path, times: 1, whole: true });
    expect(await readAll(await open())).toEqual(weights);
  });

  it("ends with its signal, and goes on later", async () => {
    const controller = new AbortController();
    await hub.fail({ path, times: 1, cutAfter: 3000 });
    const onProgress = ({ loaded, name }: Progress) => void (name === path && loaded > 0 && controller.abort());
    const files = await open({ onProgress, signal: controller.signal });
    await expect(readAll(files)).rejects.toHaveProperty("name", "AbortError");
    await expect(open({ signal: controller.signal })).rejects.toHaveProperty("name", "AbortError");
    await hub.requests();
    expect(await readAll(await open())).toEqual(weights);
    expect((await bodies()).at(-1)).toMatch(/bytes=\d+-4999$/);
  });

  it.each([4000, 6000])("a file of %i bytes is refused, and nothing of it kept", async (length) => {
    await hub.fail({ path, times: 1, length });
    const told = `hf://${repo}: the hub says that ${path} has 5000 bytes, and `;
    await expect(readAll(await open())).rejects.toThrow(told);
    expect(await (await open({ localFilesOnly: true }, `@${fakeCommit}`)).has(path)).toBe(false);
    expect(await readAll(await open())).toEqual(weights);
    expect((await bodies()).every((line) => !line.includes("bytes="))).toBe(true);
  });
});

describe.runIf(!inNode)("in a page", () => {
  const path = "model.safetensors";
  const block = 2 ** 22;
  const large = new Uint8Array(2.5 * block).map((_, i) => i * 7 + (i >> 16));
  // Vitest would take seconds to compare this many bytes.
  const isLarge = (bytes: Uint8Array) => bytes.length === large.length && bytes.every((byte, i) => byte === large[i]);
  const ranges = async () => (await bodies()).flatMap((line) => (line.includes("lfs") ? line.split(" ").slice(2) : []));

  it("the blocks of a file that are read come, and are kept for later loads", async () => {
    await hub.put({ name: repo }, [[path, large]]);
    const progress: Progress[] = [];
    const source = await (await open({ onProgress: (report) => progress.push(report) })).open(path);
    expect(await bodies()).toEqual([]);
    expect(await source.read(block + 10, 20)).toEqual(large.slice(block + 10, block + 30));
    expect(await source.read(block + 500, 20)).toEqual(large.slice(block + 500, block + 520));
    expect(await ranges()).toEqual([`bytes=${block}-${2 * block - 1}`]);
    expect(progress).toEqual([{ loaded: block, total: large.length, name: path }]);
    const offline = await (await open({ localFilesOnly: true })).open(path);
    expect(await offline.read(block, 5)).toEqual(large.slice(block, block + 5));
    await expect(offline.read(block - 1, 5)).rejects.toThrow(
      `hf://${repo}: bytes 0 to ${block} of ${path} are not in the cache; load the file once while online`,
    );
    expect(isLarge(await readAll(await open()))).toBe(true);
    expect(await ranges()).toEqual([`bytes=0-${block - 1}`, `bytes=${2 * block}-${2.5 * block - 1}`]);
    expect(isLarge(await readAll(await open()))).toBe(true);
    expect(await bodies()).toEqual([]);
  });

  it("a load that breaks off loses no block that came", async () => {
    await hub.put({ name: repo }, [[path, large]]);
    const source = await (await open()).open(path);
    await source.read(0, block);
    await hub.fail({ path, times: 3, cutAfter: 0 });
    await expect(source.read(0, 2 * block)).rejects.toThrow(`broke off after ${block} of ${large.length} bytes`);
    await hub.requests();
    expect(isLarge(await readAll(await open()))).toBe(true);
    expect((await ranges())[0]).toBe(`bytes=${block}-${2 * block - 1}`);
  });

  it("a broken connection is tried again from where it broke, and a signal ends it", async () => {
    await hub.fail({ path, times: 2, cutAfter: 1000 });
    expect(await readAll(await open())).toEqual(weights);
    const controller = new AbortController();
    const source = await (await open({ signal: controller.signal }, `@${fakeCommit}`)).open("pytorch_model.bin");
    controller.abort();
    await expect(source.read(0, 10)).rejects.toHaveProperty("name", "AbortError");
  });

  it.each([4000, 6000])("a file of %i bytes is refused, and nothing of it kept", async (length) => {
    await hub.fail({ path, times: 1, length });
    await expect(readAll(await open())).rejects.toThrow(`/${length}"; expected bytes 0-4999/5000`);
    expect(await readAll(await open())).toEqual(weights);
  });

  it("a server that knows no ranges is an error", async () => {
    await hub.fail({ path, times: 1, whole: true });
    await expect(readAll(await open())).rejects.toThrow("the server answered 200 to a Range request; expected 206");
  });

  it("no read goes beyond the end", async () => {
    const source = await (await open()).open(path);
    await expect(source.read(4990, 20)).rejects.toThrow(
      "bytes 4990 to 5010 were requested, but the file has 5000 bytes",
    );
  });
});

describe("without the cache", () => {
  const uncached = (options: HubFilesOptions = {}, suffix = "") => open({ cache: false, ...options }, suffix);

  it("only the parts that are read come, and nothing is kept", async () => {
    const files = await uncached();
    expect(await files.readText("config.json")).toBe(contents.get("config.json"));
    expect([await files.has("model.safetensors"), await files.has("other")]).toEqual([true, false]);
    const source = await files.open("model.safetensors");
    expect(source.size).toBe(5000);
    await hub.requests();
    expect(await source.read(4990, 10)).toEqual(weights.subarray(4990));
    const room = new Uint8Array(20);
    await source.readInto?.(100, room);
    expect(room).toEqual(weights.subarray(100, 120));
    const ranges = (await bodies()).map((line) => line.split(" ").slice(2).join());
    expect(ranges).toEqual(["bytes=4990-4999", "bytes=4990-4999", "bytes=100-119", "bytes=100-119"]);
    expect(await files.list?.()).toEqual(["config.json", "model.safetensors", "pytorch_model.bin", "adapter/"]);
    await expect(files.open("tokenizer.json")).rejects.toThrow("has no tokenizer.json (it holds adapter/, config.json");
    await expect(open({ localFilesOnly: true })).rejects.toThrow(`has no revision "main" of ${repo}; load it once`);
  });

  it("has revisions and folders, and offline takes what the cache has", async () => {
    expect(await (await uncached({}, "@v1/adapter")).readText("adapter_config.json")).toBe("{}");
    expect(await readAll(await uncached({}, `@${fakeCommit}`))).toEqual(weights);
    await expect(uncached({}, "@none")).rejects.toThrow("has no such revision (404, RevisionNotFound)");
    await readAll(await open());
    await hub.requests();
    expect(await readAll(await uncached({ localFilesOnly: true }))).toEqual(weights);
    expect(await hub.requests()).toEqual([]);
  });

  it("a broken connection is tried again; a server without ranges is an error", async () => {
    const path = "model.safetensors";
    await hub.fail({ path, times: 2, cutAfter: 1000 });
    expect(await readAll(await uncached())).toEqual(weights);
    await hub.fail({ path, times: 1, whole: true });
    await expect(readAll(await uncached())).rejects.toThrow(
      `hf://${repo}: ${path}: the server answered 200 to a Range request; expected 206`,
    );
  });

  it("a gated model's parts need a token", async () => {
    await hub.put({ name: repo, access: "gated" }, contents);
    await expect(readAll(await uncached({ token: "" }))).rejects.toThrow(`hf://${repo} is gated (401, GatedRepo)`);
    await expect(readAll(await uncached({ token: "hf_other" }))).rejects.toThrow("(403, GatedRepo); ask for access");
    expect(await readAll(await uncached({ token: "hf_owner" }))).toEqual(weights);
  });
});

describe("who may read", () => {
  it("a gated model's files need a token of an account with access", async () => {
    await hub.put({ name: repo, access: "gated" }, contents);
    const page = `${hub.endpoint}/${repo}`;
    await expect(readAll(await open({ token: "" }))).rejects.toThrow(
      `hf://${repo} is gated (401, GatedRepo); accept its terms at ${page}, then give a token of ${hub.endpoint}/settings/tokens: set HF_TOKEN, or give hub: { token: "hf_..." }`,
    );
    await expect(readAll(await open({ token: "hf_other" }))).rejects.toThrow(
      `hf://${repo} is closed to the token's account (403, GatedRepo); ask for access at ${page}`,
    );
    expect(await readAll(await open({ token: "hf_owner" }))).toEqual(weights);
  });

  it("a private model is as one that is not there", async () => {
    await hub.put({ name: repo, access: "private" }, contents);
    await expect(open({ token: "" })).rejects.toThrow(
      `${hub.endpoint} shows no model ${repo} (401, RepoNotFound); check the name; if it is private, give a token`,
    );
    await expect(open({ token: "hf_other" })).rejects.toThrow("(404, RepoNotFound); check the name; the token may be");
    expect(await readAll(await open({ token: "hf_owner" }))).toEqual(weights);
    await expect(open({ token: "secret" })).rejects.toThrow("token holds no access token of the Hugging Face hub");
  });
});

describe("misuse", () => {
  it.each([
    ["hf://org", "is no address of a model on the Hugging Face hub"],
    ["hf:org/name", 'give "hf://org/name", "hf://org/name@revision" or "hf://org/name/file.gguf"'],
    ["hf://datasets/org/name", "is not a model repository; give"],
    ["hf://org/name@../x", '".." is outside the repository'],
    ["hf://org/name@%2E%2E%2Fx", '"../x" is outside the repository'],
    ["hf://org/name/../x", '"../x" is outside the repository'],
  ])("%s", async (address, message) => {
    await expect(openFiles(address)).rejects.toThrow(message);
  });

  it("of a folder's path", async () => {
    await expect(hubFiles("./model")).rejects.toThrow("./model is no address of the Hugging Face hub; give");
  });

  it("of names and options", async () => {
    const files = await open();
    await expect(files.open("../config.json")).rejects.toThrow('"../config.json" is outside the repository');
    await expect(open({ local_files_only: true } as never)).rejects.toThrow("did you mean localFilesOnly?");
    if (!inNode)
      await expect(open({ cacheDir: "x" })).rejects.toThrow(
        "is a folder, but browsers cache files in Cache Storage; leave it out",
      );
  });
});
