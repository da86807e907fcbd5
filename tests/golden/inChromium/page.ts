// Runs in a page of Chromium: golden checks, in the page itself or in a Web Worker.
import type { Check } from "../check/compare.ts";
import { type GoldenJob, type GoldenPlace, jobChecks } from "./job.ts";
import { Mailbox } from "./mailbox.ts";
import type { WorkerMessage } from "./worker.ts";

/** The functions of the page that `checksInChromium` calls, and the function that it provides to the page. */
export interface GoldenPage {
  /** Resolves when all checks have been reported. */
  runGolden(job: GoldenJob, place: GoldenPlace): Promise<void>;
  reportCheck(check: Check): Promise<void>;
}

const page = globalThis as unknown as GoldenPage;

page.runGolden = async (job, place) => {
  const checks = job.place === "worker" ? inWorker(job, place) : jobChecks(job, place);
  for await (const check of checks) await page.reportCheck(check);
};

async function* inWorker(job: GoldenJob, place: GoldenPlace): AsyncGenerator<Check> {
  const worker = new Worker(new URL("./worker.ts", import.meta.url), { type: "module" });
  const mailbox = new Mailbox<Check>();
  worker.onmessage = ({ data }: MessageEvent<WorkerMessage>) => {
    if (data === "end") mailbox.close();
    else if ("check" in data) mailbox.put(data.check);
    else mailbox.close(new Error(`in the Worker: ${data.error}`));
  };
  worker.onerror = ({ message }) => mailbox.close(new Error(`the Worker failed: ${message || "it could not load"}`));
  worker.postMessage([job, place]);
  yield* mailbox.read();
  worker.terminate();
}
