import type { JobStore } from "../jobs/jobStore.ts";
import { TrainerTime } from "../jobs/trainerTime.ts";
import type { BudgetUse, Spender } from "./budgets.ts";
import { jobSlots } from "./slots.ts";
import type { Uploads } from "./uploads.ts";

/** Milliseconds for which the use of budgets is cached, since computing it reads many objects. */
const rememberMs = 30_000;

/** Stores from which the use of budgets is computed. */
interface StoreParts {
  readonly jobs: JobStore;
  readonly uploads: Uploads;
}

/**
 * Returns a function that computes a tenant's use of the budgets that are counted in the store: jobs, files, stored
 * bytes and training minutes.
 */
export function storeUses({ jobs, uploads }: StoreParts): (spender: Spender) => Promise<readonly BudgetUse[]> {
  const time = new TrainerTime(jobs.objects);
  const known = new Map<string, { readonly uses: Promise<readonly BudgetUse[]>; readonly until: number }>();
  const read = async ({ tenant, budgets }: Spender): Promise<readonly BudgetUse[]> => {
    const [ofJobs, ofFiles, storedBytes, seconds] = await Promise.all([
      jobSlots(jobs, tenant).then((slots) => slots.count()),
      uploads.slots(tenant).then((slots) => slots.count()),
      uploads.used(tenant),
      time.today(tenant),
    ]);
    const used = { jobs: ofJobs, files: ofFiles, storedBytes, trainerMinutes: seconds / 60 };
    return Object.entries(used).map(([name, value]) => {
      const budget = name as keyof typeof used;
      return { tenant, budget, used: value, limit: budgets[budget] };
    });
  };
  return (spender) => {
    const before = known.get(spender.tenant);
    if (before && before.until > Date.now()) return before.uses;
    const uses = read(spender);
    known.set(spender.tenant, { uses, until: Date.now() + rememberMs });
    uses.catch(() => known.delete(spender.tenant));
    return uses;
  };
}
