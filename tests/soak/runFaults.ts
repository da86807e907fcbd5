import type { Random } from "@lowrank/test-support/random";
import { type Fault, pause, type Soak } from "./fault.ts";
import { clockJump } from "./faults/clockJump.ts";
import { corruptAdapters } from "./faults/corruptAdapters.ts";
import { deletedFiles } from "./faults/deletedFiles.ts";
import { hotSwap } from "./faults/hotSwap.ts";
import { drainReplica, killReplica } from "./faults/killReplica.ts";
import { malformed } from "./faults/malformed.ts";
import { oversized } from "./faults/oversized.ts";
import { slowBody } from "./faults/slowBody.ts";
import { storeAway } from "./faults/storeAway.ts";
import { vanish } from "./faults/vanish.ts";
import { wrongKeys } from "./faults/wrongKeys.ts";

/** Faults of clients, which happen all the time. */
const small: readonly Fault[] = [malformed, oversized, slowBody, vanish, wrongKeys];

/** Faults of machines and files, one at a time, in rounds that contain each of them once. */
const large: readonly Fault[] = [
  ...[killReplica, storeAway, corruptAdapters, deletedFiles, clockJump, hotSwap, drainReplica],
];

/** Runs faults in an order from the seed until `isOver`; the first round of large ones is always complete. */
export async function runFaults(soak: Soak, isOver: () => boolean): Promise<void> {
  await Promise.all([runSmall(soak, isOver), runLarge(soak, isOver)]);
}

async function runSmall(soak: Soak, isOver: () => boolean): Promise<void> {
  const running = new Set<Promise<void>>();
  while (!isOver()) {
    const one = attempt(soak.random.pick(small), soak).finally(() => running.delete(one));
    running.add(one);
    await pause(200 + soak.random.below(600));
  }
  await Promise.all(running);
}

async function runLarge(soak: Soak, isOver: () => boolean): Promise<void> {
  for (let round = 1; round === 1 || !isOver(); round++) {
    for (const fault of order(large, soak.random)) {
      if (round > 1 && isOver()) return;
      await pause(1000 + soak.random.below(3000));
      soak.checks.say(fault.name);
      await attempt(fault, soak);
    }
  }
}

const order = (faults: readonly Fault[], random: Random): Fault[] => random.shuffle(faults);

/** Runs a fault; an error outside its checks is a failure too. */
async function attempt(fault: Fault, soak: Soak): Promise<void> {
  try {
    await fault.run(soak);
  } catch (error) {
    soak.checks.count(`${fault.name}: could be made`, (error as Error).stack);
  }
}
