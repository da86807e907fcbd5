// The process of one run of `lowrank compare`, whose arguments are plugins: a job comes as a
// message, steps and the outcome go back.
import { loadPlugins } from "../cli/options/plugins.ts";
import { guardOutput } from "../cli/process/guardOutput.ts";
import type { Job, Message, Outcome } from "./job.ts";
import { runJob } from "./runJob.ts";

const tell = (message: Message, told: () => void = () => {}) => process.send?.(message, told);

guardOutput();
// Nobody is left to tell, or all is told.
process.once("disconnect", () => process.exit());

process.once("message", async (job: Job) => {
  const run = async () => {
    await loadPlugins(process.argv.slice(2));
    return runJob(job, ({ step, maxSteps, loss }) => tell({ step, of: maxSteps, loss }));
  };
  const outcome = await run().then(
    (measured): Outcome => ({ job, measured }),
    (error: Error): Outcome => ({ job, error: error.message }),
  );
  tell({ outcome }, () => process.disconnect());
});
