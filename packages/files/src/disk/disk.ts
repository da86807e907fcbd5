// Functions for temporary names and folders on disk (Node only), for programs that write to disk without `writeFiles`.
export {
  isAlive,
  isTemporaryOf,
  parseTemporaryName,
  type RemoveLeftoversOptions,
  removeLeftovers,
  startOfProcess,
  type TemporaryName,
  temporaryName,
  writerOf,
  writingId,
} from "./leftovers.ts";
export { makeFolder } from "./writeToDisk.ts";
