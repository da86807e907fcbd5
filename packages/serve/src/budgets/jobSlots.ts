import type { JobStore } from "../jobs/jobStore.ts";
import { jobsFolder } from "../storage/adapterPlace.ts";
import { now, ownerKey } from "../storage/jobKeys.ts";
import { graceSeconds, Slots } from "./slots.ts";

/**
 * Returns which of an owner's job slots are taken by waiting or running jobs. Jobs for all models in the store count.
 */
export async function jobSlots(jobs: JobStore, owner: string): Promise<Slots> {
  return new Slots(jobs.objects, `${jobsFolder}/slots/${await ownerKey(owner)}/jobs/`, async ({ id, at, reopens }) => {
    const isYoung = now() - at < graceSeconds;
    if (reopens && isYoung) return true;
    if ((await jobs.end({ id })) !== null) return false;
    // The order is written after the slot.
    return isYoung || (await jobs.find(owner, id)) !== null;
  });
}
