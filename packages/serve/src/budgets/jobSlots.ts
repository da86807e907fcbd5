import type { JobStore } from "../jobs/jobStore.ts";
import { jobsFolder } from "../storage/adapterPlace.ts";
import { now, ownerKey } from "../storage/jobKeys.ts";
import { graceSeconds, Slots } from "./slots.ts";

/** Returns the slots of an owner's waiting and running jobs, for all models in the store. */
export async function jobSlots(jobs: JobStore, owner: string): Promise<Slots> {
  return new Slots(jobs.objects, `${jobsFolder}/slots/${await ownerKey(owner)}/jobs/`, async ({ id, at, reopens }) => {
    const isYoung = now() - at < graceSeconds;
    if (reopens && isYoung) return true;
    if ((await jobs.end({ id })) !== null) return false;
    // The order is written after the slot.
    return isYoung || (await jobs.find(owner, id)) !== null;
  });
}
