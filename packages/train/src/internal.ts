// The entry "@lowrank/train/internal" exports code for other packages of this repository, not for users. It may change
// in any version.

export { describeDifference } from "./checkpoint/resumeError.ts";
export { isWholeCheckpoint } from "./checkpoint/wholeCheckpoint.ts";
export { collateAny } from "./data/batches/collateAny.ts";
export { toInputs } from "./data/batches/modelBatch.ts";
export { type MaskedText, maskedText } from "./data/tokens/maskedText.ts";
export { exampleForm, exampleReader, type RecordForm, type RecordReader } from "./datasets/recordReader.ts";
