// A Worker that asks the /health of servers again and again, so that the load's own work does not
// count. It tells the milliseconds of each answer, when it is asked to stop.
import { Agent, get } from "node:http";
import { parentPort, workerData } from "node:worker_threads";

/** The /health of one server. */
export interface Probed {
  readonly milliseconds: number[];
  /** The milliseconds by which this Worker's own timers were late: what the machine alone costs. */
  readonly late: number[];
  /** Those that were not 200. */
  readonly statuses: number[];
}

const agent = new Agent({ keepAlive: true });
const probed = new Map<string, Probed>();
let over = false;

/** Asks once; resolves without a count where nothing listens, as while a replica is down. */
function probe(url: string): Promise<void> {
  const own = probed.get(url) as Probed;
  return new Promise((resolve) => {
    const start = performance.now();
    const request = get(`${url}/health`, { agent }, (response) => {
      own.milliseconds.push(performance.now() - start);
      if (response.statusCode !== 200) own.statuses.push(response.statusCode as number);
      response.resume().on("close", resolve);
    });
    request.on("error", () => resolve());
  });
}

async function watch(url: string): Promise<void> {
  const own: Probed = { milliseconds: [], late: [], statuses: [] };
  probed.set(url, own);
  while (!over) {
    await probe(url);
    const start = performance.now();
    await new Promise((resolve) => setTimeout(resolve, 100));
    own.late.push(performance.now() - start - 100);
  }
}

parentPort?.once("message", () => {
  over = true;
  agent.destroy();
  parentPort?.postMessage(probed);
});
for (const url of workerData as string[]) void watch(url);
