import { fork } from "node:child_process";
import { existsSync, readFileSync } from "node:fs";
import type { Job, Report } from "./child.ts";
import { describeCase, type FuzzCase, makeCase } from "./fuzzCase.ts";
import type { Sample } from "./sample.ts";

/**
 * The most seconds of CPU time, and of wall-clock time, for a case. On a busy machine a process may get only two
 * seconds of CPU time in a minute.
 */
const [mostSeconds, mostByClock] = [5, 120];
/** The heap limit of a child process in megabytes; beyond it the process ends. */
const heapLimit = 600;
const watchEvery = 250;

/** Returns a process's CPU time in seconds, or the wall-clock time on systems that do not report it. */
function secondsOf(pid: number | undefined): number {
  const stat = `/proc/${pid}/stat`;
  if (!existsSync(stat)) return performance.now() / 1000;
  const fields = readFileSync(stat, "utf8").split(") ")[1].split(" ");
  return (Number(fields[11]) + Number(fields[12])) / 100;
}

/**
 * Runs the cases of a job in a child process and forwards their reports. Returns the number of the first remaining
 * case, if one has ended the process.
 */
export function runJob(job: Job, samples: readonly Sample[], onReport: (report: Report) => void): Promise<number> {
  const child = fork(new URL("./child.ts", import.meta.url), {
    execArgv: [`--max-old-space-size=${heapLimit}`],
    stdio: ["ignore", "ignore", "pipe", "ipc"],
  });
  let next = job.from;
  let errors = "";
  let isReady = false;
  let hung = "";
  let gaveUp = false;
  let since = { clock: performance.now(), used: 0, next };
  child.stderr?.on("data", (text) => {
    errors = (errors + text).slice(-20_000);
  });
  child.on("message", (message: Report | "ready") => {
    isReady = true;
    if (message === "ready") return;
    next = message.number + 1;
    gaveUp = message.verdict === "growth";
    onReport(message);
  });
  const watch = setInterval(() => {
    if (!isReady) return;
    const now = { clock: performance.now(), used: secondsOf(child.pid), next };
    if (since.next !== next || since.used === 0) since = now;
    if (now.used - since.used > mostSeconds) hung = `not done after ${mostSeconds} s of processor time`;
    else if (now.clock - since.clock > 1000 * mostByClock) hung = `not done after ${mostByClock} s`;
    if (hung) child.kill("SIGKILL");
  }, watchEvery);
  child.send(job);
  return new Promise((resolve, reject) => {
    child.once("close", (code, signal) => {
      clearInterval(watch);
      if (!isReady) return reject(new Error(`fuzz: a process could not start: ${errors}`));
      if (next < job.to && !gaveUp) {
        // Node exits with code 0 if only a promise that never settles is left.
        const never = hung || (code === 0 ? "a promise that nothing settles" : "");
        onReport(ended(makeCase(samples, job.seed, next), next, never, signal ?? `exit code ${code}`, errors));
        next++;
      }
      resolve(next);
    });
  });
}

/** Returns the report of a case that ended its process. */
function ended(one: FuzzCase, number: number, hung: string, how: string, errors: string): Report {
  const outgrown = /heap out of memory|Array buffer allocation/i.test(errors);
  const verdict = hung ? "hang" : outgrown ? "growth" : "foreign";
  const message = hung || `the process ended: ${how}`;
  return { ...describeCase(one), number, verdict, message, stack: hung ? "" : errors };
}
