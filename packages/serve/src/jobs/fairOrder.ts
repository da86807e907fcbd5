import type { OpenJob } from "./jobStore.ts";

/** Job that waits in a queue. */
interface WaitingJob {
  readonly job: OpenJob;
  /** Rank by age among the waiting jobs; the oldest job has the lowest. */
  readonly number: number;
}

/**
 * Returns jobs in the order in which they should run. Owners take turns, beginning with the owner served longest ago.
 * Jobs of one owner are ordered by priority (smallest first), then by age. `lastServed` holds the times at which owners
 * were last served; missing owners were never served.
 */
export function fairOrder<T extends WaitingJob>(
  waiting: readonly T[],
  lastServed: ReadonlyMap<string, number>,
): readonly T[] {
  const sorted = [...waiting].sort((a, b) => a.job.priority - b.job.priority || a.number - b.number);
  const owners = [...Map.groupBy(sorted, ({ job }) => job.owner)].map(([owner, jobs]) => {
    const oldest = Math.min(...jobs.map(({ number }) => number));
    return { jobs, oldest, served: lastServed.get(owner) ?? Number.NEGATIVE_INFINITY };
  });
  owners.sort((a, b) => (a.served === b.served ? a.oldest - b.oldest : a.served - b.served));
  const rounds = Math.max(...owners.map(({ jobs }) => jobs.length));
  // All rounds use the order of the first round, since each owner is served once per round.
  return Array.from({ length: rounds }, (_, round) => owners.flatMap(({ jobs }) => jobs[round] ?? [])).flat();
}
