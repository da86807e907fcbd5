import type { AdapterPlace } from "@lowrank/serve";
import { FileStore, JobStore } from "@lowrank/serve/jobs";
import { storeObjects, storePlace } from "./storePlace.ts";

/** The parts of a server's store: adapters (`place`), jobs and uploaded files. */
export interface JobPlaces {
  readonly place: AdapterPlace;
  readonly jobs: JobStore;
  readonly files: FileStore;
}

/** Opens the store that `--store` names. */
export function jobPlaces(store: string): JobPlaces {
  const objects = storeObjects(store, process.env);
  return { place: storePlace(store, process.env), jobs: new JobStore(objects), files: new FileStore(objects) };
}
