import { jobsFolder } from "../adapterPlace.ts";
import { checkBucket, ifNoneMatch, type S3Bucket, tagOf } from "../s3Bucket.ts";
import { uploadId } from "../s3Xml.ts";
import { storeFailure } from "../storeFailure.ts";
import { type ObjectStore, type StoredObject, sortedByKey } from "./objectStore.ts";

/** Bytes per part for reads and writes. S3 requires parts of at least 5 MiB. */
const pieceBytes = 8 << 20;

/** Creates an object store in a bucket, or under a prefix in the bucket. */
export function s3Objects(bucket: S3Bucket): ObjectStore {
  const { client, prefix, label } = bucket;

  const putWhole = async (key: string, body: string | Uint8Array<ArrayBuffer>): Promise<void> => {
    await client.send({ method: "PUT", key: prefix + key, body });
  };

  /** Uploads an object in parts, so that only one part is in memory at a time. */
  const putParts = async (key: string, parts: AsyncIterable<Uint8Array<ArrayBuffer>>): Promise<void> => {
    const own = prefix + key;
    const begun = await client.send({ method: "POST", key: own, query: { uploads: "" } });
    const id = uploadId(new TextDecoder().decode(begun.body));
    const query = { uploadId: id };
    try {
      const tags: string[] = [];
      for await (const body of parts) {
        const partNumber = String(tags.length + 1);
        const answer = await client.send({ method: "PUT", key: own, query: { partNumber, ...query }, body });
        tags.push(tagOf(answer.headers, label));
      }
      const list = tags.map((tag, i) => `<Part><PartNumber>${i + 1}</PartNumber><ETag>${tag}</ETag></Part>`);
      const body = `<CompleteMultipartUpload>${list.join("")}</CompleteMultipartUpload>`;
      const headers = { "Content-Type": "application/xml" };
      const ended = await client.send({ method: "POST", key: own, query, headers, body });
      const text = new TextDecoder().decode(ended.body);
      // S3 may send status 200 before the upload has completed, and an error in the body.
      if (text.includes("<Error>")) {
        throw storeFailure("did not take a large file", `${label} did not complete the upload of ${key}: ${text}`);
      }
    } catch (error) {
      await client.send({ method: "DELETE", key: own, query, expected: [204, 404] }).catch(() => undefined);
      throw error;
    }
  };

  return {
    label,
    get: async (key) => {
      const answer = await client.send({ method: "GET", key: prefix + key, expected: [404] });
      if (answer.status === 200) return answer.body;
      checkBucket(answer, label);
      return null;
    },
    stream: async function* (key) {
      for (let at = 0; ; at += pieceBytes) {
        const headers = { Range: `bytes=${at}-${at + pieceBytes - 1}` };
        const answer = await client.send({ method: "GET", key: prefix + key, headers, expected: [206, 404, 416] });
        if (answer.status === 404) throw storeFailure("lacks an object", `${label} has no ${key}`);
        if (answer.status === 416) return;
        if (answer.body.length > 0) yield answer.body;
        // A store without range support returns the whole object at once.
        if (answer.status === 200 || answer.body.length < pieceBytes) return;
      }
    },
    put: async (key, content) => {
      if (typeof content === "string") return putWhole(key, content);
      if (content instanceof Uint8Array) return putWhole(key, new Uint8Array(content));
      const parts = piecesOf(content, pieceBytes);
      const first = await parts.next();
      if (first.done) return putWhole(key, "");
      const second = await parts.next();
      if (second.done) return putWhole(key, first.value);
      await putParts(
        key,
        (async function* () {
          yield first.value;
          yield second.value;
          yield* parts;
        })(),
      );
    },
    create: async (key, text) => {
      await bucket.checkConditional(`${prefix}${jobsFolder}/probe`);
      return (await bucket.put(prefix + key, text, ifNoneMatch)) !== null;
    },
    list: async (start) => {
      const found: StoredObject[] = [];
      for await (const page of bucket.pages({ prefix: prefix + start })) {
        for (const { key, size } of page) found.push({ key: key.slice(prefix.length), size });
      }
      return sortedByKey(found);
    },
    remove: async (key) => {
      await client.send({ method: "DELETE", key: prefix + key, expected: [204, 404] });
    },
  };
}

/** Regroups bytes into pieces of one size. The last one may be shorter. */
async function* piecesOf(
  content: AsyncIterable<Uint8Array>,
  size: number,
): AsyncGenerator<Uint8Array<ArrayBuffer>, undefined> {
  let piece = new Uint8Array(size);
  let length = 0;
  for await (const bytes of content) {
    for (let at = 0; at < bytes.length; ) {
      const part = bytes.subarray(at, at + size - length);
      piece.set(part, length);
      at += part.length;
      length += part.length;
      if (length < size) continue;
      yield piece;
      piece = new Uint8Array(size);
      length = 0;
    }
  }
  if (length > 0) yield piece.subarray(0, length);
}
