import { withEntry } from "../adapters/manifest.ts";
import { ManifestWatch } from "../adapters/manifestWatch.ts";
import { readAdapter } from "../adapters/readAdapter.ts";
import type { AdapterPlace } from "../storage/adapterPlace.ts";
import { adapterFolder, runFolder } from "../storage/jobKeys.ts";
import { systemClock } from "../storage/storeClock.ts";
import type { FineTuneJob } from "./job.ts";
import type { JobStore } from "./jobStore.ts";

/** Adapter that a training run wrote: the final one, or the adapter of a checkpoint. */
interface RunAdapter {
  readonly name: string;
  readonly path: string;
}

/** Returns the name under which the adapter of a checkpoint is served. */
export function checkpointName({ name }: FineTuneJob, step: number): string {
  return `${name}:ckpt-step-${step}`;
}

/** Returns the steps of a job's complete checkpoints, in order. */
export async function checkpointSteps(store: JobStore, { id }: FineTuneJob): Promise<number[]> {
  const found = await store.objects.list(`${runFolder(id)}/`);
  // The trainer writes this file last.
  const steps = found.flatMap(({ key }) => /\/checkpoint-(\d+)\/trainer_state\.json$/.exec(key)?.[1] ?? []);
  return steps.map(Number).sort((a, b) => a - b);
}

/** Returns the version (hash of the files) of a job's final adapter, and its method as in `peft_type`. */
export async function adapterVersion(
  place: AdapterPlace,
  { id }: FineTuneJob,
): Promise<{ version: string; method: string }> {
  return readEntry(place, adapterFolder(id));
}

/**
 * Adds a job's adapter and its checkpoints to the manifest, so that every server serves them to their owner only.
 * Calling it again changes nothing.
 */
export async function publish(place: AdapterPlace, store: JobStore, job: FineTuneJob): Promise<void> {
  const steps = await checkpointSteps(store, job);
  const adapters: RunAdapter[] = [
    { name: job.name, path: adapterFolder(job.id) },
    ...steps.map((step) => ({ name: checkpointName(job, step), path: `${runFolder(job.id)}/checkpoint-${step}` })),
  ];
  const entries = await Promise.all(
    adapters.map(async ({ name, path }) => ({
      name,
      entry: { path, ...(await readEntry(place, path)), owner: job.owner, tenants: [job.owner] },
    })),
  );
  const watch = new ManifestWatch({
    ...{ place, clock: systemClock, pollMs: 0 },
    onLook: () => undefined,
    // The edit below throws any error.
    onWarning: () => undefined,
  });
  await watch.edit((manifest) => entries.reduce((next, { name, entry }) => withEntry(next, name, entry), manifest));
}

async function readEntry(place: AdapterPlace, path: string): Promise<{ version: string; method: string }> {
  const { version, config } = await readAdapter(place, path, Number.POSITIVE_INFINITY);
  return { version, method: String((JSON.parse(config) as { peft_type?: unknown }).peft_type) };
}
