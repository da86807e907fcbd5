import { plural } from "../api/plural.ts";
import { type FineTuneJob, JobRefused, JobStopped } from "./job.ts";
import type { TrainerTime } from "./trainerTime.ts";

/**
 * Milliseconds between updates of the stored training time. If a worker is killed, at most this much time is not
 * counted.
 */
const writeMs = 10_000;

/**
 * Runs a training within the training time that its job and its owner have left, and counts the time used. When a limit
 * is reached, the training writes a checkpoint and stops. Throws `JobRefused` with a code that names the limit.
 */
export async function timedRun<T>(
  time: TrainerTime,
  job: FineTuneJob,
  signal: AbortSignal,
  run: (signal: AbortSignal) => Promise<T>,
  everyMs: number = writeMs,
): Promise<T> {
  const jobMinutes = job.limits?.jobMinutes ?? null;
  const trainerMinutes = job.limits?.trainerMinutes ?? null;
  const late = new AbortController();
  let reached: JobRefused | null = null;
  let start = performance.now();
  let timer: ReturnType<typeof setTimeout> | undefined;
  let ended = false;

  /**
   * Adds the seconds since the last call to the stored training time. Returns the milliseconds until the nearest limit.
   */
  const countOnce = async (): Promise<number> => {
    const now = performance.now();
    const seconds = (now - start) / 1000;
    if (seconds > 0) await time.add(job, seconds);
    // If the store does not answer, the time is added by the next call.
    start = now;
    const left = [
      ...(jobMinutes === null
        ? []
        : [{ refused: jobLimit(jobMinutes), ms: jobMinutes * 60e3 - 1e3 * (await time.ofJob(job)) }]),
      ...(trainerMinutes === null
        ? []
        : [{ refused: dayLimit(trainerMinutes), ms: trainerMinutes * 60e3 - 1e3 * (await time.today(job.owner)) }]),
    ].sort((a, b) => a.ms - b.ms);
    if (left.length === 0) return Number.POSITIVE_INFINITY;
    if (left[0].ms <= 0) reached ??= left[0].refused;
    return left[0].ms;
  };
  // Calls run one after the other, since each adds to the stored value.
  let counting: Promise<unknown> = Promise.resolve();
  const count = (): Promise<number> => {
    const counted = counting.then(countOnce);
    counting = counted.catch(() => undefined);
    return counted;
  };
  const watch = (leftMs: number): void => {
    if (ended) return;
    timer = setTimeout(
      () =>
        void count().then(
          (left) => (reached ? late.abort(reached) : watch(left)),
          // If the store does not answer, the time is counted by the next call.
          () => watch(everyMs),
        ),
      Math.max(10, Math.min(everyMs, leftMs)),
    );
    if (typeof timer === "object") timer.unref();
  };

  const left = await count();
  if (reached) throw reached;
  watch(left);
  try {
    return await run(AbortSignal.any([signal, late.signal]));
  } catch (error) {
    if (reached && error instanceof JobStopped && !signal.aborted) throw reached;
    throw error;
  } finally {
    ended = true;
    clearTimeout(timer);
    await count().catch(() => undefined);
  }
}

function jobLimit(minutes: number): JobRefused {
  return new JobRefused({
    code: "job_minutes_exceeded",
    message: `The job has trained for ${plural(minutes, "minute")}, which is the limit of one fine-tune; request fewer steps, or ask the server's operator to raise the budget job-minutes.`,
    param: null,
  });
}

function dayLimit(minutes: number): JobRefused {
  return new JobRefused({
    code: "trainer_minutes_exceeded",
    message: `The jobs of this key have used all of its ${plural(minutes, "minute")} of training per day; resume the job tomorrow, and it continues from its last checkpoint.`,
    param: null,
  });
}
