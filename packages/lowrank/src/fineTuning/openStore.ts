import { statSync } from "node:fs";
import { join } from "node:path";
import { removeLeftovers } from "@lowrank/files/internal/disk";
import { folderPlace, type S3PlaceOptions, type ServingStore, s3Place } from "@lowrank/serve";

/** Environment variables, as used by AWS's own tools. */
type Environment = Readonly<Record<string, string | undefined>>;

/**
 * Opens the store that `--store` names: a folder, or `s3://bucket/prefix`. For S3, endpoint, region and keys come from
 * the environment variables of AWS's tools.
 */
export function openStore(store: string, env: Environment): ServingStore {
  const bucket = bucketOf(store, env);
  return bucket ? s3Place(bucket) : folderPlace(store);
}

/** Returns the bucket that `--store` names; null for a folder. */
function bucketOf(store: string, env: Environment): S3PlaceOptions | null {
  if (!/^s3:/i.test(store)) {
    // A missing folder is allowed: it may be created later.
    if (statSync(store, { throwIfNoEntry: false })?.isDirectory() !== false) return null;
    throw new Error(`--store ${store}: it is a file; give the folder that holds the adapters' folders`);
  }
  const [, bucket, prefix] = /^s3:\/\/([^/]+)(?:\/(.*))?$/i.exec(store) ?? [];
  if (bucket === undefined) throw new Error(`--store ${store}: expected s3://bucket or s3://bucket/prefix`);
  const { AWS_ACCESS_KEY_ID: accessKeyId, AWS_SECRET_ACCESS_KEY: secretAccessKey } = env;
  if (Boolean(accessKeyId) !== Boolean(secretAccessKey)) {
    const missing = accessKeyId ? "AWS_SECRET_ACCESS_KEY" : "AWS_ACCESS_KEY_ID";
    throw new Error(
      `--store ${store}: ${missing} is not set; set both AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY, or neither`,
    );
  }
  return {
    bucket,
    prefix,
    region: env.AWS_REGION || env.AWS_DEFAULT_REGION || undefined,
    endpoint: env.AWS_ENDPOINT_URL_S3 || env.AWS_ENDPOINT_URL || undefined,
    credentials:
      accessKeyId && secretAccessKey
        ? { accessKeyId, secretAccessKey, sessionToken: env.AWS_SESSION_TOKEN || undefined }
        : undefined,
  };
}

/**
 * Removes incomplete files of killed processes from a `--store` folder. Does nothing for S3, which writes objects
 * atomically.
 */
export async function clearStore(store: string): Promise<void> {
  if (/^s3:/i.test(store)) return;
  await removeLeftovers(store);
  await removeLeftovers(join(store, ".fine-tuning"), { recursive: true });
}
