import { join } from "node:path";
import { removeLeftovers } from "@lowrank/files/internal/disk";

/**
 * Removes incomplete files of killed processes from a `--store` folder. Does nothing for S3, which writes objects
 * atomically.
 */
export async function clearStore(store: string): Promise<void> {
  if (/^s3:/i.test(store)) return;
  await removeLeftovers(store);
  await removeLeftovers(join(store, ".fine-tuning"), { recursive: true });
}
