// A process that is an S3-compatible object store: node objectStoreChild.mjs <folder> <port>
// <bucket>. It is s3rver with two habits of the real ones: a write with a condition fails where
// that does not hold, and readers see a write whole or not at all. Its key is S3RVER, with the
// secret S3RVER.
import { buffer } from "node:stream/consumers";
import S3rver from "@20minutes/s3rver";

const [directory, port, bucket] = process.argv.slice(2);
const server = new S3rver({
  directory,
  port: Number(port),
  address: "127.0.0.1",
  silent: true,
  vhostBuckets: false,
  configureBuckets: [{ name: bucket }],
});

/** Returns true for a write whose condition does not hold. */
async function isRefused({ method, path, headers, store }) {
  const match = headers["if-match"];
  const noneMatch = headers["if-none-match"];
  if (method !== "PUT" || (match === undefined && noneMatch === undefined)) return false;
  const [, , ...key] = decodeURIComponent(path).split("/");
  const object = await store.getObject(bucket, key.join("/"));
  object?.content?.destroy();
  return match === undefined ? object !== null : object?.metadata.etag !== match;
}

let last = Promise.resolve();
server.middleware.unshift((ctx, next) => {
  const turn = last.then(async () => {
    if (await isRefused(ctx)) {
      ctx.status = 412;
      ctx.type = "application/xml";
      ctx.body = "<Error><Code>PreconditionFailed</Code></Error>";
      return;
    }
    await next();
    if (ctx.body && typeof ctx.body.pipe === "function") ctx.body = await buffer(ctx.body);
  });
  last = turn.catch(() => {});
  return turn;
});
await server.run();
