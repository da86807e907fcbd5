import type { AdapterPlace } from "@lowrank/serve";
import { FileStore, JobStore } from "@lowrank/serve/jobs";
import { openStore } from "./openStore.ts";

/** Access to the three kinds of data in a server's store: adapters (`place`), jobs and uploaded files. */
export interface JobPlaces {
  readonly place: AdapterPlace;
  readonly jobs: JobStore;
  readonly files: FileStore;
}

/** Opens the store that `--store` names. */
export function jobPlaces(store: string): JobPlaces {
  const place = openStore(store, process.env);
  return { place, jobs: new JobStore(place), files: new FileStore(place) };
}
