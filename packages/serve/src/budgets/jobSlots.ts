import { jobsFolder } from "../adapters/adapterPlace.ts";
import { now, ownerKey } from "../jobs/jobKeys.ts";
import type { JobStore } from "../jobs/jobStore.ts";
import { graceSeconds, Slots } from "./slots.ts";

/** Returns the slots of an owner's jobs that wait or run, of all models in the store. */
export async function jobSlots(jobs: JobStore, owner: string): Promise<Slots> {
  return new Slots(jobs.objects, `${jobsFolder}/slots/${await ownerKey(owner)}/jobs/`, async ({ id, at, reopens }) => {
    const isYoung = now() - at < graceSeconds;
    const state = await jobs.find(owner, id);
    // The order follows the slot.
    if (state === null) return isYoung;
    return state.end === null || (reopens === true && isYoung);
  });
}
