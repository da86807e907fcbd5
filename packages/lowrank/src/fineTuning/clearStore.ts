import { join } from "node:path";
import { removeLeftovers } from "@lowrank/files/disk";

/**
 * Removes from a `--store` what processes left that were killed while they wrote. In S3 there is
 * nothing to remove: objects are written atomically.
 */
export async function clearStore(store: string): Promise<void> {
  if (/^s3:/i.test(store)) return;
  await removeLeftovers(store);
  await removeLeftovers(join(store, ".fine-tuning"), { recursive: true });
}
