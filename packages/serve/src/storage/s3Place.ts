import { type AdapterFile, configName, isInternal, manifestName } from "./adapterPlace.ts";
import { confinedPath } from "./confinedPath.ts";
import type { ServingStore } from "./objects/objectStore.ts";
import { s3Objects } from "./objects/s3Objects.ts";
import { checkBucket, ifNoneMatch, openBucket, type S3PlaceOptions, tagOf } from "./s3Bucket.ts";

/**
 * Creates the store of a server from a bucket, or a prefix in it, of Amazon S3 or a compatible store. Works in web
 * pages too if the bucket's CORS rules allow it. Fine-tuning and changes to the manifest require conditional writes
 * (If-Match, If-None-Match). A store without conditional writes can still serve adapters, but `loadAdapter` and
 * `unloadAdapter` throw `unavailable`.
 */
export function s3Place(options: S3PlaceOptions): ServingStore {
  const bucket = openBucket(options);
  const { client, prefix, label } = bucket;
  const files = async (path: string): Promise<readonly AdapterFile[] | null> => {
    const folder = `${prefix}${path}/`;
    const found: AdapterFile[] = [];
    for await (const page of bucket.pages({ prefix: folder, delimiter: "/" })) {
      for (const { key, size, etag } of page) {
        if (key !== folder) found.push({ name: key.slice(folder.length), size, tag: etag });
      }
    }
    return found.length > 0 ? found : null;
  };
  const holds = async (path: string, wanted: readonly AdapterFile[]): Promise<boolean> => {
    const now = new Map((await files(path))?.map(({ name, tag }) => [name, tag]));
    return wanted.every(({ name, tag }) => now.get(name) === tag);
  };

  return {
    ...s3Objects(bucket),
    pathOf: (path) => confinedPath(path.startsWith(label) ? path.slice(label.length) : path),
    adapters: async () => {
      const found: string[] = [];
      for await (const page of bucket.pages(prefix === "" ? {} : { prefix })) {
        for (const { key } of page)
          if (key.endsWith(`/${configName}`)) found.push(key.slice(prefix.length, -configName.length - 1));
      }
      const usable = found.filter((path) => isPath(path) && !isInternal(path));
      // As in a folder on disk, adapters inside an adapter's folder are ignored.
      const all = new Set(usable);
      return usable.filter((path) => !outerPaths(path).some((outer) => all.has(outer))).sort();
    },
    files,
    holds,
    read: async (path, wanted) => {
      const contents: Uint8Array<ArrayBuffer>[] = [];
      for (const { name, size, tag } of wanted) {
        const headers = { "If-Match": tag };
        const key = `${prefix}${path}/${name}`;
        const { status, headers: got, body } = await client.send({ method: "GET", key, headers, expected: [404, 412] });
        // Some stores return the object even if the condition does not hold.
        if (status !== 200 || body.length !== size || (got.get("ETag") ?? tag) !== tag) return null;
        contents.push(body);
      }
      // Each file is complete, but they may be from different times.
      return (await holds(path, wanted)) ? contents : null;
    },
    readManifest: async (known) => {
      const headers: Record<string, string> = known === undefined ? {} : { "If-None-Match": known };
      const answer = await client.send({
        ...{ method: "GET" as const, key: prefix + manifestName, headers, expected: [304, 404] },
      });
      if (answer.status === 304) return "same";
      if (answer.status === 404) {
        checkBucket(answer, label);
        return null;
      }
      return { text: new TextDecoder().decode(answer.body), tag: tagOf(answer.headers, label) };
    },
    writeManifest: async (text, replaces) => {
      await bucket.checkConditional(`${prefix}${manifestName}.probe`);
      return bucket.put(prefix + manifestName, text, replaces === null ? ifNoneMatch : { "If-Match": replaces });
    },
  };
}

function isPath(path: string): boolean {
  try {
    return confinedPath(path) === path;
  } catch {
    return false;
  }
}

/** Returns the paths of a folder's parent folders. */
function outerPaths(path: string): string[] {
  const names = path.split("/");
  return names.slice(1).map((_, i) => names.slice(0, i + 1).join("/"));
}
