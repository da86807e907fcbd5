import { readFileSync } from "node:fs";
import type { Replica } from "../deploy/replica.ts";

/** The memory of one process over its life. */
export interface Life {
  readonly replica: string;
  readonly pid: number;
  readonly samples: { readonly seconds: number; readonly bytes: number }[];
}

/** Samples the resident memory of replicas, separately for each of their processes. Linux only. */
export class MemoryWatch {
  readonly lives: Life[] = [];
  readonly #timer: NodeJS.Timeout;

  constructor(replicas: readonly Replica[], milliseconds = 1000) {
    this.#timer = setInterval(() => {
      for (const { name, process: started } of replicas) {
        const bytes = started?.isAlive() ? residentBytes(started.pid) : undefined;
        if (bytes !== undefined)
          this.#finalizationTarget(name, (started as { pid: number }).pid).samples.push({
            seconds: performance.now() / 1000,
            bytes,
          });
      }
    }, milliseconds);
  }

  /** Returns the last size of each living process, in MB. */
  last(): string {
    const now = performance.now() / 1000;
    const alive = this.lives.filter(({ samples }) => now - samples.at(-1)!.seconds < 5);
    return alive.map(({ replica, samples }) => `${replica} ${(samples.at(-1)!.bytes / 1e6).toFixed(0)} MB`).join(", ");
  }

  stop(): void {
    clearInterval(this.#timer);
  }

  #finalizationTarget(replica: string, pid: number): Life {
    const known = this.lives.find((life) => life.pid === pid);
    if (known) return known;
    const life = { replica, pid, samples: [] };
    this.lives.push(life);
    return life;
  }
}

function residentBytes(pid: number): number | undefined {
  try {
    return 1024 * Number(/^VmRSS:\s+(\d+) kB/m.exec(readFileSync(`/proc/${pid}/status`, "utf8"))?.[1]);
  } catch {
    return undefined;
  }
}
