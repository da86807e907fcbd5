// The entry "@lowrank/core/internal": what other packages of this repository need and users do not. It may change in
// any version. It attaches no methods to tensors.

export { onRecompute } from "./engine/onRecompute.ts";
export {
  type AdagradStepParams,
  type AdamStepParams,
  adagradStep,
  adamStep,
  adamStep8bit,
  addInto,
  argmaxTokens,
  attentionBackward,
  avgPool2dBackward,
  avgPoolKeys,
  type CacheWriteParams,
  cacheWrite,
  clipToNorm,
  convKeys,
  crossEntropyBackward,
  type DocumentAttentionParams,
  type DoraNormParams,
  documentAttention,
  documentAttentionBackward,
  documentMask,
  doraLinear,
  doraNorm,
  embeddingBackward,
  gegluBackward,
  geluBackward,
  geluTanhBackward,
  gradNorm,
  type LionStepParams,
  type LowRankRowsParams,
  layerNormBackward,
  layerNormWeightBackward,
  linearInt8,
  lionStep,
  logSoftmaxBackward,
  loraLinear,
  lowRankRows,
  maxPoolKeys,
  type PagedAttentionParams,
  type PagedGeometry,
  type PlaceParams,
  type PowScalarParams,
  pagedAttention,
  pagedWrite,
  place,
  powScalar,
  type RmspropStepParams,
  rmsNormBackward,
  rmsNormWeightBackward,
  rmspropStep,
  rowSquares,
  type SampleTokensParams,
  type SgdStepParams,
  sampleTokens,
  scaleInPlace,
  sgdStep,
  siluBackward,
  softmaxBackward,
  swigluBackward,
  type TriangleParams,
  triangle,
  widen,
} from "./functional/index.ts";
export { bytesOf } from "./internal/bytesOf.ts";
export { toCamelCase } from "./internal/camelCase.ts";
export { checkOptions, type OptionKeys, unknownOption } from "./internal/checkOptions.ts";
export { expressionCost } from "./internal/expressionCost.ts";
export { inspectAsText } from "./internal/inspectAsText.ts";
export { nearestName } from "./internal/nearestName.ts";
export { pythonFloat } from "./internal/pythonFloat.ts";
export { yieldToEventLoop } from "./internal/yieldIfDue.ts";
export { checkDType } from "./layout/checkDType.ts";
export { canQuantizeAs, hasIntegerCodes, viewAs } from "./layout/dtype.ts";
export { checkFinite, firstNonFinite } from "./layout/nonFinite.ts";
export { readF16 } from "./layout/readF16.ts";
export { checkPrecision, productPrecision } from "./modes/matmulPrecision.ts";
export { linearWithInt8Activations } from "./ops/products/linearWithInt8Activations.ts";
export { keptTokens } from "./ops/random/keptTokens.ts";
export { adam8bitBlockSize } from "./packed/blockwise/adam8bitBlockSize.ts";
export { supportsInt8Activations } from "./packed/supportsInt8Activations.ts";
export { enableInt8Activations } from "./quantize/enableInt8Activations.ts";
export { quantizeAs } from "./quantize/quantizeAs.ts";
export { philox } from "./random/random.ts";
export { checkLogits } from "./sampling/checkLogits.ts";
export { samplingKeys } from "./sampling/samplingOptions.ts";
export { sampleToken, tokenProbabilities } from "./sampling/tokenProbabilities.ts";
export { fromParts, type PartsSpec } from "./transfer/fromParts.ts";
export { InputTable } from "./transfer/inputTable.ts";
export { moveTensors } from "./transfer/moveTensors.ts";
export { overwriteBytes } from "./transfer/overwriteBytes.ts";
