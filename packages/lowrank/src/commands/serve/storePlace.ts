import { statSync } from "node:fs";
import { type AdapterPlace, folderPlace, s3Place } from "@lowrank/serve";

/** The environment variables of AWS's own tools. */
type Environment = Readonly<Record<string, string | undefined>>;

/**
 * Returns the place that `--store` means: a folder, or `s3://bucket/prefix`, whose endpoint, region
 * and keys stand in the environment as AWS's tools have them.
 */
export function storePlace(store: string, env: Environment): AdapterPlace {
  if (!/^s3:/i.test(store)) {
    // One that is not there yet may come.
    if (statSync(store, { throwIfNoEntry: false })?.isDirectory() !== false) return folderPlace(store);
    throw new Error(`--store ${store}: it is a file; give the folder that holds the adapters' folders`);
  }
  const [, bucket, prefix] = /^s3:\/\/([^/]+)(?:\/(.*))?$/i.exec(store) ?? [];
  if (bucket === undefined) throw new Error(`--store ${store}: expected s3://bucket or s3://bucket/prefix`);
  const { AWS_ACCESS_KEY_ID: accessKeyId, AWS_SECRET_ACCESS_KEY: secretAccessKey } = env;
  if (Boolean(accessKeyId) !== Boolean(secretAccessKey)) {
    const missing = accessKeyId ? "AWS_SECRET_ACCESS_KEY" : "AWS_ACCESS_KEY_ID";
    throw new Error(`--store ${store}: ${missing} is not set, and the other one of the pair is; set both, or neither`);
  }
  return s3Place({
    bucket,
    prefix,
    region: env.AWS_REGION || env.AWS_DEFAULT_REGION || undefined,
    endpoint: env.AWS_ENDPOINT_URL_S3 || env.AWS_ENDPOINT_URL || undefined,
    credentials:
      accessKeyId && secretAccessKey
        ? { accessKeyId, secretAccessKey, sessionToken: env.AWS_SESSION_TOKEN || undefined }
        : undefined,
  });
}
