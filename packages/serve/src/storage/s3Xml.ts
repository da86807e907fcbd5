/** Object in a list of a bucket. */
export interface S3Object {
  readonly key: string;
  readonly size: number;
  readonly etag: string;
}

/** Page of a list of objects. `next` is the token of the next page; null on the last page. */
export interface S3Listing {
  readonly objects: readonly S3Object[];
  readonly next: string | null;
}

/** Parses the answer to ListObjectsV2. Throws for any other text. */
export function readListing(xml: string): S3Listing {
  if (!xml.includes("<ListBucketResult")) throw new Error(`expected a list of objects, and got ${xml.slice(0, 100)}`);
  const isEncoded = field(xml, "EncodingType") === "url";
  const decoded = (key: string) => (isEncoded ? decodeURIComponent(key.replaceAll("+", " ")) : key);
  const objects = [...xml.matchAll(/<Contents>(.*?)<\/Contents>/gs)].map(([, object]) => ({
    key: decoded(field(object, "Key")),
    size: Number(field(object, "Size")),
    etag: field(object, "ETag"),
  }));
  const goesOn = field(xml, "IsTruncated") === "true";
  return { objects, next: goesOn ? field(xml, "NextContinuationToken") : null };
}

/** Returns the error code and message in a response of an object store; "" if the response has none. */
export function s3ErrorText(xml: string): string {
  return [field(xml, "Code"), field(xml, "Message")].filter((text) => text !== "").join(": ");
}

/** Returns the error code in an answer of an object store. */
export function s3ErrorCode(xml: string): string {
  return field(xml, "Code");
}

/** Returns the id of a multipart upload. Throws for an answer without one. */
export function uploadId(xml: string): string {
  const id = field(xml, "UploadId");
  if (id === "") throw new Error(`expected the id of an upload, and got ${xml.slice(0, 100)}`);
  return id;
}

function field(xml: string, name: string): string {
  const text = new RegExp(`<${name}>(.*?)</${name}>`, "s").exec(xml)?.[1] ?? "";
  return text.replace(/&(?:#x([0-9a-f]+)|#(\d+)|(\w+));/gi, (whole, hex, decimal, name) => {
    if (name) return entities[name] ?? whole;
    return String.fromCodePoint(hex ? Number.parseInt(hex, 16) : Number(decimal));
  });
}

const entities: Readonly<Record<string, string>> = { amp: "&", lt: "<", gt: ">", quot: '"', apos: "'" };
