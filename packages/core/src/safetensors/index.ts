export { type ByteSource, blobSource, byteSource, bytesSource } from "./byteSource.ts";
export {
  openSafetensors,
  type SafetensorsData,
  type SafetensorsFile,
  type SafetensorsInfo,
  type SafetensorsParts,
} from "./openSafetensors.ts";
export type { SafetensorsDType } from "./safetensorsDType.ts";
export { SafetensorsError } from "./safetensorsError.ts";
export { parseSafetensorsHeader, type SafetensorsEntry, type SafetensorsHeader } from "./safetensorsHeader.ts";
export { openShardedSafetensors, parseSafetensorsIndex, type SafetensorsIndex } from "./safetensorsIndex.ts";
export {
  type SafetensorsPiece,
  type SafetensorsSpec,
  type SafetensorsTensor,
  safetensorsFileLength,
  streamSafetensors,
  writeSafetensors,
} from "./writeSafetensors.ts";
