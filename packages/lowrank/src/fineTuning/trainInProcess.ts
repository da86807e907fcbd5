import { fork } from "node:child_process";
import { extname, join } from "node:path";
import { JobRefused, JobStopped, type TrainedJob } from "@lowrank/serve/jobs";
import type { Order } from "./fineTune.ts";
import type { JobOutcome, ToJob } from "./jobProcess.ts";

/** Time in milliseconds in which a stopping process can save its checkpoint before it is killed. */
const graceMs = 60_000;

/** Path of the child process's script. It has the extension of this file: `.ts` in the sources, `.js` when compiled. */
const script = join(import.meta.dirname, `jobProcess${extname(import.meta.filename)}`);

/**
 * Trains a job in a child process, with the lowest priority if `order.yields` is true. The job has its own memory, and
 * if the child process crashes, this process continues. Throws `JobStopped` if `signal` stopped it.
 */
export function trainInProcess(order: Order, plugins: readonly string[], signal: AbortSignal): Promise<TrainedJob> {
  return new Promise((resolve, reject) => {
    const running = fork(script, plugins, { stdio: ["ignore", "ignore", "inherit", "ipc"] });
    let outcome: JobOutcome | undefined;
    let killing: NodeJS.Timeout | undefined;
    const tell = (message: ToJob) => running.connected && running.send(message);
    const stop = () => {
      tell({ stop: true });
      killing = setTimeout(() => running.kill("SIGKILL"), graceMs);
    };
    running.on("message", (message: JobOutcome) => {
      outcome = message;
    });
    running.on("error", reject);
    running.on("close", (code, ended) => {
      clearTimeout(killing);
      signal.removeEventListener("abort", stop);
      if (!outcome || "stopped" in outcome) {
        const reason = `the process that trained it ended with ${ended ?? `exit code ${code}`}`;
        reject(outcome || signal.aborted ? new JobStopped() : new Error(reason));
      } else if ("trained" in outcome) resolve(outcome.trained);
      else reject("refused" in outcome ? new JobRefused(outcome.refused) : new Error(outcome.failed));
    });
    if (signal.aborted) return void running.kill("SIGKILL");
    signal.addEventListener("abort", stop);
    tell({ order });
  });
}
