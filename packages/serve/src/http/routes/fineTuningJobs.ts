import { plural } from "../../api/plural.ts";
import { BudgetError } from "../../budgets/budgetError.ts";
import type { KeyBudgets } from "../../budgets/keyBudgets.ts";
import { jobSlots, type Slot } from "../../budgets/slots.ts";
import type { Uploads } from "../../budgets/uploads.ts";
import type { StoredFile } from "../../jobs/fileStore.ts";
import { type FineTuneJob, type JobLimits, JobRefused, type JobState } from "../../jobs/job.ts";
import { jobPrefix } from "../../jobs/jobStore.ts";
import { checkpointSteps } from "../../jobs/publish.ts";
import { TrainerTime } from "../../jobs/trainerTime.ts";
import { nameKey, newId, now as nowSeconds } from "../../storage/jobKeys.ts";
import { addRoute } from "../app/addRoute.ts";
import type { HttpCaller } from "../app/apiKeys.ts";
import type { AppContext, AppRequest, ServingApp } from "../app/appContext.ts";
import { pageOf, pageQuery } from "../app/pages.ts";
import { checkBody } from "../requests/checkBody.ts";
import { HttpError } from "../requests/httpError.ts";
import type { FineTuning } from "./fineTuning.ts";
import { listedCheckpoints, listedEvents, listedJob } from "./fineTuningAnswers.ts";
import { type JobBody, jobBody, methodOf, ofJob } from "./fineTuningBody.ts";

const path = "/v1/fine_tuning/jobs";

/** Maximum number of milliseconds that a response waits for the queue. */
const patienceMs = 1000;

/** Adds `/v1/fine_tuning/jobs`. Each key sees only its own jobs. */
export function addFineTuningJobs(
  app: ServingApp,
  context: AppContext,
  fineTuning: FineTuning,
  uploads: Uploads,
): void {
  const { jobs, queue } = fineTuning;
  const time = new TrainerTime(jobs.objects);
  const jobOf = async (c: AppRequest): Promise<JobState> => {
    const id = c.req.param("id") as string;
    const state = await jobs.find(c.get("caller").tenant, id);
    if (state) return state;
    throw new HttpError(404, `Could not find fine tune: ${id}`, { param: "id", code: "fine_tune_not_found" });
  };
  /**
   * Waits for an operation of the queue, `work`, but at most `patienceMs`. A failure is only logged: if a job could not
   * be added to the queue, it is added later, since the job store contains it.
   */
  const soon = async (work: Promise<unknown>): Promise<void> => {
    let timer: ReturnType<typeof setTimeout> | undefined;
    const late = new Promise<void>((resolve) => {
      timer = setTimeout(resolve, patienceMs);
    });
    const done = work.then(
      () => undefined,
      (error: Error) => context.logger.warn({ reason: error.message }, "queue"),
    );
    await Promise.race([done, late]);
    clearTimeout(timer);
  };
  /**
   * Takes one of the key's job slots for a job. `reopens` is true for a job that had a slot before and is resumed.
   * Throws 429 if the key has too many jobs.
   */
  const takeSlot = async ({ tenant, budgets }: HttpCaller, id: string, reopens = false): Promise<Slot> => {
    const slot = await (await jobSlots(jobs, tenant)).take(budgets.jobs, id, { reopens });
    if (slot) return slot;
    throw new BudgetError(
      `This key already has ${plural(budgets.jobs, "fine-tune")} waiting or running, which is its limit.`,
      {
        retryAfter: 60,
      },
    );
  };
  /** Throws 429 if the key's jobs have used up today's training time. */
  const checkTime = async ({ tenant, budgets: { trainerMinutes } }: HttpCaller): Promise<void> => {
    if (!Number.isFinite(trainerMinutes) || (await time.today(tenant)) < 60 * trainerMinutes) return;
    throw new BudgetError(
      `The jobs of this key have used all of its ${plural(trainerMinutes, "minute")} of training per day.`,
      {
        ...{ retryAfter: time.secondsOfDayLeft, code: "trainer_minutes_exceeded" },
      },
    );
  };
  /** Throws 400 if the key has no storage left, since a job stores checkpoints. */
  const checkBytes = async ({ tenant, budgets: { storedBytes } }: HttpCaller): Promise<void> => {
    const used = await uploads.used(tenant);
    if (used < storedBytes) return;
    throw new BudgetError(
      `This key has stored ${used} of its ${storedBytes} bytes; delete files or fine-tuned models first.`,
      { retryAfter: null, code: "stored_bytes_exceeded" },
    );
  };
  const now = async ({ job }: JobState) => listedJob(await jobs.state(job));

  addRoute(app, context, {
    method: "post",
    path,
    summary: "Orders a fine-tune on a file.",
    body: jobBody,
    answer: async (c, raw) => {
      const body = checkBody(jobBody, raw, ofJob);
      const caller = c.get("caller");
      const { model, adapter } = await context.adapterOf(body.model, caller);
      if (adapter !== null) {
        const message = `The model \`${body.model}\` is an adapter; fine-tunes start from the base, \`${model.name}\`.`;
        throw new HttpError(400, message, { param: "model", code: "model_not_available" });
      }
      const file = await checkFiles(fineTuning, caller, body);
      const job = orderOf(body, model.name, caller);
      await checkOrder(fineTuning, job, caller.budgets, file);
      await checkTime(caller);
      await checkBytes(caller);
      const slot = await takeSlot(caller, job.id);
      try {
        await jobs.order(job);
      } catch (error) {
        await slot.release().catch(() => undefined);
        throw error;
      }
      await soon(queue.add(job));
      return c.json(
        listedJob({
          job,
          progress: null,
          paused: false,
          end: null,
          settled: false,
        }),
      );
    },
  });
  addRoute(app, context, {
    method: "get",
    path,
    query: [...pageQuery, "metadata"],
    summary: "Lists the jobs of the key, the newest first.",
    answer: async (c) => {
      const { tenant } = c.get("caller");
      const wanted = wantedMetadata(c);
      const read = async (ids: readonly string[]) => {
        return (await Promise.all(ids.map((id) => jobs.find(tenant, id)))).filter((state) => state !== null);
      };
      let ids = await jobs.ids(tenant);
      if (wanted.length > 0) {
        const fits = ({ job }: JobState) => wanted.every(([name, value]) => job.metadata?.[name] === value);
        ids = (await read(ids)).filter(fits).map(({ job }) => job.id);
      }
      return pageOf(c, ids, { usual: 20, limit: 100 }, async (found) => (await read(found)).map(listedJob));
    },
  });
  addRoute(app, context, {
    method: "get",
    path: `${path}/{id}/events`,
    params: ["id"],
    query: pageQuery,
    summary: "Lists what happened to a job, the newest first.",
    answer: async (c) => {
      const state = await jobOf(c);
      const events = listedEvents(state, await jobs.log(state.job));
      const ids = events.map(({ id }) => id);
      return pageOf(c, ids, { usual: 20, limit: 1000 }, async (found) => events.filter(({ id }) => found.includes(id)));
    },
  });
  addRoute(app, context, {
    method: "get",
    path: `${path}/{id}/checkpoints`,
    params: ["id"],
    query: pageQuery,
    summary: "Lists the checkpoints that are kept of a job. Their models answer once it has succeeded.",
    answer: async (c) => {
      const { job } = await jobOf(c);
      const found = listedCheckpoints(job, await checkpointSteps(jobs, job), await jobs.log(job));
      const ids = found.map(({ id }) => id);
      return pageOf(c, ids, { usual: 10, limit: 100 }, async (page) => found.filter(({ id }) => page.includes(id)));
    },
  });
  addRoute(app, context, {
    method: "post",
    path: `${path}/{id}/cancel`,
    params: ["id"],
    summary: "Ends a job that waits or runs.",
    answer: async (c) => {
      const { job } = await jobOf(c);
      const end = await jobs.finish(job, { status: "cancelled", at: nowSeconds() });
      if (end.status !== "cancelled") throw wrongState("cancelled", end.status);
      await soon(queue.remove(job.id));
      await jobs.close(job);
      return c.json(await now({ job } as JobState));
    },
  });
  addRoute(app, context, {
    method: "post",
    path: `${path}/{id}/pause`,
    params: ["id"],
    summary: "Lets a job stop at a checkpoint and wait.",
    answer: async (c) => {
      const state = await jobOf(c);
      if (state.end) throw wrongState("paused", state.end.status);
      await jobs.pause(state.job);
      return c.json(await now(state));
    },
  });
  addRoute(app, context, {
    method: "post",
    path: `${path}/{id}/resume`,
    params: ["id"],
    summary: "Lets a paused job go on, and one that failed run once more.",
    answer: async (c) => {
      const state = await jobOf(c);
      const { job, end, paused } = state;
      await checkTime(c.get("caller"));
      if (end?.status === "failed") {
        const slot = await takeSlot(c.get("caller"), job.id, true);
        try {
          await jobs.reopen(job);
        } catch (error) {
          await slot.release().catch(() => undefined);
          throw error;
        }
      } else if (!end && paused) await jobs.unpause(job);
      else throw wrongState("resumed", listedJob(state).status);
      await soon(queue.add(job));
      return c.json(await now(state));
    },
  });
  addRoute(app, context, {
    method: "get",
    path: `${path}/{id}`,
    params: ["id"],
    summary: "Describes a job.",
    answer: async (c) => c.json(listedJob(await jobOf(c))),
  });
}

/**
 * Returns the training file. Throws if the training or validation file does not exist, or if its purpose is not
 * "fine-tune".
 */
async function checkFiles({ files }: FineTuning, { tenant }: HttpCaller, body: JobBody): Promise<StoredFile> {
  const found: StoredFile[] = [];
  for (const param of ["training_file", "validation_file"] as const) {
    const id = body[param];
    if (id === undefined) continue;
    const file = await files.find(tenant, id);
    if (file?.purpose === "fine-tune") {
      found.push(file);
      continue;
    }
    const message = file
      ? `The file '${id}' has the purpose '${file.purpose}', and fine-tunes need 'fine-tune'.`
      : `The file '${id}' does not exist.`;
    throw new HttpError(400, `Invalid '${param}': ${message}`, { param, code: "invalid_value" });
  }
  return found[0];
}

async function checkOrder(
  { checkOrder: check }: FineTuning,
  job: FineTuneJob,
  budgets: KeyBudgets,
  file: StoredFile,
): Promise<void> {
  const [first] = Object.keys(job.options);
  if (!check) {
    if (first === undefined) return;
    throw new HttpError(400, `lowrank.options: there is no option ${first} here.`, {
      param: "lowrank.options",
      code: "invalid_value",
    });
  }
  try {
    await check(job, budgets, file);
  } catch (error) {
    if (!(error instanceof JobRefused)) throw error;
    const { code, message, param } = error.detail;
    throw new HttpError(400, param === null ? message : `Invalid '${param}': ${message}`, { param, code });
  }
}

/** Returns the limits of a key that a worker enforces while it trains a job. Unlimited ones are null. */
function limitsOf({ steps, jobMinutes, trainerMinutes }: KeyBudgets): JobLimits {
  const finite = (limit: number) => (Number.isFinite(limit) ? limit : null);
  return { steps: finite(steps), jobMinutes: finite(jobMinutes), trainerMinutes: finite(trainerMinutes) };
}

function orderOf(body: JobBody, model: string, { tenant, budgets }: HttpCaller): FineTuneJob {
  const id = newId(jobPrefix);
  const { suffix = null, seed = crypto.getRandomValues(new Uint32Array(1))[0] >>> 1 } = body;
  return {
    ...{ id, owner: tenant, createdAt: nowSeconds(), model, suffix, seed },
    name: `ft:${model}:${nameKey(tenant)}:${suffix ?? ""}:${id.slice(id.indexOf("-") + 1)}`,
    served: true,
    trainingFile: body.training_file,
    validationFile: body.validation_file ?? null,
    ...methodOf(body),
    metadata: body.metadata ?? null,
    options: body.lowrank?.options ?? {},
    priority: body.lowrank?.priority ?? 0,
    limits: limitsOf(budgets),
  };
}

/**
 * Returns the names and values of the parameters `metadata[name]=value` in a request's query, by which jobs are
 * filtered.
 */
function wantedMetadata(c: AppRequest): [string, string][] {
  return Object.entries(c.req.query()).flatMap(([key, value]): [string, string][] => {
    const name = /^metadata\[(.+)\]$/.exec(key)?.[1];
    return name === undefined ? [] : [[name, value]];
  });
}

function wrongState(what: string, status: string): HttpError {
  const message = `This job cannot be ${what}: its status is '${status}'.`;
  return new HttpError(400, message, { code: "invalid_job_status" });
}
