// Temporary names and folders on disk (Node only), for programs that write there themselves.
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
export { makeFolder } from "./makeFolder.ts";
