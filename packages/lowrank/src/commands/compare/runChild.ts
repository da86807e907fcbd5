// Process of one run of `lowrank compare`. Its arguments are plugins. It receives a job as a message, and sends its
// steps and outcome back.
import { loadPlugins } from "../../cli/options/plugins.ts";
import { guardOutput } from "../../cli/process/guardOutput.ts";
import type { Job, Message, Outcome } from "../../compare/job.ts";
import { runJob } from "../../compare/runJob.ts";

const tell = (message: Message, told: () => void = () => {}) => process.send?.(message, told);

guardOutput();
// Exits when the parent has ended or has closed the channel.
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
