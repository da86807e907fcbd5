import type { ServingStats } from "../api/api.ts";
import type { Caller } from "../api/caller.ts";

/** The part of the engine's state that a caller may see. */
export type VisibleStats = ServingStats | Pick<ServingStats, "waiting" | "running" | "paused" | "requests">;

/**
 * Returns the part of the engine's state that a caller may see: all of it for an operator, otherwise the caller's own
 * requests and their counts. Other values would reveal the load of other tenants.
 */
export function visibleStats(stats: ServingStats, { operator, tenant }: Caller): VisibleStats {
  if (operator) return stats;
  const requests = stats.requests.filter((request) => request.tenant === tenant);
  const count = (wanted: string) => requests.filter(({ state }) => state === wanted).length;
  const [waiting, paused] = [count("waiting"), count("paused")];
  return { waiting, running: requests.length - waiting - paused, paused, requests };
}
