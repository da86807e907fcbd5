import { fork } from "node:child_process";
import { extname, join } from "node:path";
import { localQueue } from "@lowrank/serve/jobs";
import type { Job, Message, Outcome } from "../../compare/job.ts";
import { keepOutcome, keptOutcomes } from "../../compare/keptOutcomes.ts";

/** Options of `runJobs`, and functions that it calls while jobs run. */
export interface RunJobsOptions {
  /** Folder for outcomes; null: outcomes are not saved. */
  readonly folder: string | null;
  /** Plugins that each process imports first. */
  readonly plugins: readonly string[];
  step(job: Job, message: { step: number; of: number; loss: number }): void;
  /**
   * Called after job `number`, counted from 1, is done. `fromEarlierRun` is true if its outcome was read from a file.
   */
  done(outcome: Outcome, number: number, fromEarlierRun: boolean): void;
}

/**
 * Runs jobs one after the other, each in its own process. With a folder, the outcomes of successful jobs are saved in
 * it, and jobs with a saved outcome do not run again. Throws if the folder holds outcomes of jobs with other settings.
 */
export async function runJobs(jobs: readonly Job[], options: RunJobsOptions): Promise<Outcome[]> {
  const { folder, plugins } = options;
  const earlierOutcomes = await keptOutcomes(folder, jobs);
  const outcomes: Outcome[] = [];
  const { promise: all, resolve, reject } = Promise.withResolvers<void>();
  const run = async (i: number): Promise<void> => {
    const [job, earlier] = [jobs[i], earlierOutcomes[i]];
    const outcome = earlier ?? (await runInProcess(job, plugins, (message) => options.step(job, message)));
    if (earlier === null) await keepOutcome(folder, outcome);
    outcomes.push(outcome);
    options.done(outcome, i + 1, earlier !== null);
    if (outcomes.length === jobs.length) resolve();
  };
  const queue = localQueue({ attempts: 1 });
  for (const i of jobs.keys()) await queue.add({ id: String(i), owner: "", priority: 0 });
  // A failed run is an outcome; an error here ends the whole comparison.
  const working = await queue.work({ run: ({ id }) => run(Number(id)), failed: async (_, error) => reject(error) });
  try {
    if (jobs.length > 0) await all;
  } finally {
    await queue.close();
    await working.close();
  }
  return outcomes;
}

/** Path of the child process's script. It has the extension of this file: `.ts` in the sources, `.js` when compiled. */
const child = join(import.meta.dirname, `runChild${extname(import.meta.filename)}`);

function runInProcess(
  job: Job,
  plugins: readonly string[],
  onStep: (message: { step: number; of: number; loss: number }) => void,
): Promise<Outcome> {
  return new Promise((resolve, reject) => {
    const running = fork(child, plugins, { stdio: ["ignore", "ignore", "inherit", "ipc"] });
    let outcome: Outcome | undefined;
    running.on("message", (message: Message) => {
      if ("outcome" in message) outcome = message.outcome;
      else onStep(message);
    });
    running.on("error", reject);
    running.on("close", (code, signal) => {
      if (outcome) resolve(outcome);
      else resolve({ job, error: `its process ended with ${signal ?? `exit code ${code}`} before it was done` });
    });
    running.send(job);
  });
}
