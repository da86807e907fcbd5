// The entry "@lowrank/train/internal": what other packages of this repository need and users do not. It may change in
// any version.

export { describeDifference } from "./checkpoint/resumeError.ts";
export { isWholeCheckpoint } from "./checkpoint/wholeCheckpoint.ts";
export { collateAny } from "./data/collateAny.ts";
export { toInputs } from "./data/modelBatch.ts";
export { exampleForm, exampleReader, type RecordForm, type RecordReader } from "./datasets/recordReader.ts";
