import { type AdapterPlace, folderPlace, type S3PlaceOptions, s3Place } from "@lowrank/serve";

/**
 * Returns the place that `--store` names: a folder, or `s3://bucket/prefix`. The address, the
 * region and the keys of an object store come from the environment, by the names that AWS's own
 * tools read.
 */
export function storePlace(store: string, env: NodeJS.ProcessEnv = process.env): AdapterPlace {
  const [, bucket, prefix] = /^s3:\/\/([^/]+)\/?(.*)$/.exec(store) ?? [];
  if (bucket === undefined) return folderPlace(store);
  return s3Place({
    bucket,
    prefix,
    region: env.AWS_REGION ?? env.AWS_DEFAULT_REGION,
    endpoint: env.AWS_ENDPOINT_URL_S3 ?? env.AWS_ENDPOINT_URL,
    credentials: credentialsOf(env),
  });
}

function credentialsOf(env: NodeJS.ProcessEnv): S3PlaceOptions["credentials"] {
  const {
    AWS_ACCESS_KEY_ID: accessKeyId,
    AWS_SECRET_ACCESS_KEY: secretAccessKey,
    AWS_SESSION_TOKEN: sessionToken,
  } = env;
  if (!accessKeyId && !secretAccessKey) return undefined;
  if (accessKeyId && secretAccessKey) return { accessKeyId, secretAccessKey, sessionToken };
  const missing = accessKeyId ? "AWS_SECRET_ACCESS_KEY" : "AWS_ACCESS_KEY_ID";
  throw new Error(
    `lowrank serve: ${missing} is not set; set both, or neither for a store that takes unsigned requests`,
  );
}
