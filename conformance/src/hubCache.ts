import { createHash } from "node:crypto";
import { readdir, readFile } from "node:fs/promises";
import { join } from "node:path";
import { hubFiles, type ModelFiles } from "@lowrank/files";
import { fakeCommit, startFakeHub } from "@lowrank/test-support/hub";
import type { Findings } from "./compare.ts";
import type { Python } from "./python.ts";

const repo = "org/name";

/**
 * Fills the caches of huggingface_hub and of Lowrank from a local fake hub with the files of a model. Each side must
 * read offline what the other downloaded, by branch, tag and commit.
 */
export async function hubCache(python: Python, base: string, work: string): Promise<Findings> {
  await using hub = await startFakeHub();
  const contents = new Map<string, Uint8Array>();
  for (const name of await readdir(base)) contents.set(name, await readFile(join(base, name)));
  contents.set("adapter/adapter_config.json", new TextEncoder().encode("{}"));
  await hub.put({ name: repo, tags: { v1: fakeCommit } }, contents);
  const hashes = Object.fromEntries(Array.from(contents, ([path, bytes]) => [path, hashOf(bytes)]));
  const problems: string[] = [];
  const compare = (what: string, found: Record<string, string>) => {
    for (const path of new Set([...Object.keys(hashes), ...Object.keys(found)])) {
      if (found[path] !== hashes[path]) problems.push(`${what}: ${path} is ${found[path]}, not ${hashes[path]}`);
    }
  };
  const theirs = (cache: string, revision: string, offline: boolean) =>
    python.ask<Record<string, string>>("hub_cache", { endpoint: hub.endpoint, cache, repo, revision, offline });
  const ours = async (cacheDir: string, revision: string, localFilesOnly: boolean) => {
    const options = { endpoint: hub.endpoint, cacheDir, localFilesOnly };
    return hashesOf(await hubFiles(`hf://${repo}@${revision}`, options), contents.keys());
  };
  for (const revision of ["main", "v1", fakeCommit]) {
    const [inTheirs, inOurs] = [join(work, revision, "theirs"), join(work, revision, "ours")];
    compare(`${revision}, downloaded by huggingface_hub`, await theirs(inTheirs, revision, false));
    compare(`${revision}, downloaded by Lowrank`, await ours(inOurs, revision, false));
    await hub.requests();
    compare(`${revision} of huggingface_hub, read by Lowrank`, await ours(inTheirs, revision, true));
    compare(`${revision} of Lowrank, read by huggingface_hub`, await theirs(inOurs, revision, true));
    const asked = await hub.requests();
    if (asked.length > 0) problems.push(`${revision}, offline: the hub was asked for ${asked.join(", ")}`);
  }
  return { differences: new Map(), problems };
}

async function hashesOf(files: ModelFiles, paths: Iterable<string>): Promise<Record<string, string>> {
  const hashes: Record<string, string> = {};
  for (const path of paths) {
    const source = await files.open(path);
    hashes[path] = hashOf(await source.read(0, source.size));
  }
  return hashes;
}

function hashOf(bytes: Uint8Array): string {
  return createHash("sha256").update(bytes).digest("hex");
}
