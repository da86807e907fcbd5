import type { ByteSource } from "@lowrank/core";
import { checkOptions } from "@lowrank/core/internal";
import { type ModelFiles, missingFile, namesIn } from "../interface/modelFiles.ts";
import { hubAddressForms, parseHubAddress, pathIn } from "./hubAddress.ts";
import type { HubClient } from "./hubClient.ts";
import { type HubFilesOptions, hubSettings } from "./hubSettings.ts";
import type { HubFile, HubStore } from "./hubStore.ts";

const commitForm = /^[0-9a-f]{40}$/;

/**
 * Opens the files of a model on the Hugging Face hub: `hf://org/name`, `hf://org/name@revision` or
 * `hf://org/name/folder`. In Node a file is downloaded as a whole when it is opened, into the cache of Python's
 * huggingface_hub. In a page only the byte ranges that are read are downloaded, into Cache Storage. Throws if the hub
 * lacks the model or revision, or requires a token for it.
 */
export async function hubFiles(address: string | URL, options: HubFilesOptions = {}): Promise<ModelFiles> {
  checkOptions("hubFiles", options, {
    ...({ token: true, endpoint: true, localFilesOnly: true, cache: true, cacheDir: true } as const),
    ...({ onProgress: true, signal: true } as const),
  });
  const { signal } = options;
  signal?.throwIfAborted();
  const place = parseHubAddress(address);
  if (!place) throw new Error(`hubFiles: ${address} is no address of the Hugging Face hub; give ${hubAddressForms}`);
  const { repo, revision, path: folder } = place;
  const settings = await hubSettings(options);
  const { endpoint, offline, cacheDir } = settings;
  const client = once(async (): Promise<HubClient> => {
    const { hubClient } = await import("./hubClient.ts");
    return hubClient(repo, settings, signal);
  });
  const label = `${address}${offline ? " (offline)" : ""}`;
  if (options.cache === false && !offline) {
    const { uncachedFiles } = await import("./uncachedFiles.ts");
    const asked = await client();
    const commit = commitForm.test(revision) ? revision : await asked.commitOf(revision);
    return uncachedFiles(asked, commit, place, label);
  }
  const store = await openStore(cacheDir, endpoint, repo);
  const commit = await findCommit();
  const listing = once(async () => (await client()).filesOf(commit));
  const noteRevision = once(() => store.writeRef(revision, commit));
  const downloads = new Map<string, Promise<void>>();
  const { onProgress } = options;
  const from = { client, label, onProgress, signal };
  const pathOf = (name: string) => pathIn(folder, name, label);
  const files: ModelFiles = {
    label,
    has: async (name) => {
      const path = pathOf(name);
      if (await store.find(commit, path)) return true;
      return !offline && (await listing()).has(path);
    },
    readText: async (name) => {
      const source = await open(name);
      return new TextDecoder().decode(await source.read(0, source.size));
    },
    open,
    list: async (inner = "") => {
      const paths = offline ? await store.list(commit) : (await listing()).keys();
      return namesIn(paths, pathOf(inner).replace(/\/$/, ""));
    },
  };
  return files;

  async function open(name: string): Promise<ByteSource> {
    signal?.throwIfAborted();
    const path = pathOf(name);
    let found = await store.find(commit, path, offline ? undefined : from);
    if (!found) {
      const file = offline ? undefined : (await listing()).get(path);
      if (!file) throw await missingFile(files, name);
      await fetchOnce(file);
      found = (await store.find(commit, path, from)) as ByteSource;
    }
    // Stored only once the cache has a file of the commit. Until then, offline reads use the previous commit.
    if (!offline && revision !== commit) await noteRevision();
    return found;
  }

  /** Downloads a file. Concurrent calls for the same file share one download. */
  async function fetchOnce(file: HubFile): Promise<void> {
    let running = downloads.get(file.path);
    if (!running) {
      running = store.bring(commit, file, from);
      downloads.set(file.path, running);
    }
    return running.finally(() => downloads.delete(file.path));
  }

  async function findCommit(): Promise<string> {
    if (commitForm.test(revision)) return revision;
    if (!offline) return (await client()).commitOf(revision);
    const commit = await store.readRef(revision);
    if (commit !== undefined) return commit;
    throw new Error(`${label}: ${store.label} has no revision "${revision}" of ${repo}; load it once while online`);
  }
}

async function openStore(cacheDir: string | undefined, endpoint: string, repo: string): Promise<HubStore> {
  if (cacheDir === undefined) return (await import("./cacheStore.ts")).cacheStore(endpoint, repo);
  return (await import("./folderStore.ts")).folderStore(cacheDir, repo);
}

function once<T>(make: () => Promise<T>): () => Promise<T> {
  let made: Promise<T> | undefined;
  return () => {
    made ??= make();
    return made;
  };
}
