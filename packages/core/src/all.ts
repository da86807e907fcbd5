// Every name of the entries "@lowrank/core" and "@lowrank/core/internal". Both export from here, so that bundlers see
// one list and put the modules of both into the same chunks. With two lists, Vite splits these chunks, and a page grows
// by 2 kB.

export { type BackwardOptions, backward, gradients } from "./autograd/autograd.ts";
export { checkpoint } from "./autograd/checkpoint.ts";
export { type GradOptions, grad, jvp, valueAndGrad, vjp } from "./autograd/transforms.ts";
export {
  type Backend,
  type BackendOp,
  type Buffer,
  currentBackend,
  type DataFault,
  init,
  isInitialized,
  sync,
  type TensorRef,
  type TensorSpec,
  type View,
  viewOf,
  withBackend,
} from "./backends/backend.ts";
export { firstAvailable } from "./backends/firstAvailable.ts";
export type { BlockFormat, FourBitFormat, PackedFormat, Packing } from "./backends/packedFormat.ts";
export { reference } from "./backends/reference.ts";
export { UnavailableError } from "./backends/unavailableError.ts";
export { arange, type CreateOptions, fromBytes, full, ones, type RangeArguments, zeros } from "./creation/create.ts";
export { type NestedNumbers, type TensorOptions, tensor } from "./creation/makeTensor.ts";
export { type RandnOptions, type RandOptions, type RandomOptions, rand, randn } from "./creation/randomTensors.ts";
export { onRecompute } from "./engine/onRecompute.ts";
export {
  defineOp,
  expectDType,
  type Op,
  type OpDefinition,
  type Planned,
  type Saves,
  type VjpContext,
} from "./engine/op.ts";
export { keep, scope } from "./engine/scope.ts";
export { memory, resetPeak } from "./engine/storage.ts";
export { Tensor } from "./engine/tensor.ts";
export {
  type AdagradStepParams,
  type AdamStepParams,
  type AffineParams,
  type AlongOptions,
  type AttentionDropout,
  type AttentionOptions,
  type AttentionParams,
  type AvgPool1dOptions,
  type AvgPool2dOptions,
  type AvgPoolParams,
  abs,
  adagradStep,
  adamStep,
  adamStep8bit,
  add,
  addInto,
  affine,
  amax,
  amin,
  argmax,
  argmaxTokens,
  argmin,
  at,
  attention,
  attentionBackward,
  avgPool1d,
  avgPool2d,
  avgPool2dBackward,
  avgPoolKeys,
  type BlockwiseParams,
  binaryCrossEntropyWithLogits,
  type CacheWriteParams,
  type ClampParams,
  type CompareParams,
  type Conv1dOptions,
  type Conv2dOptions,
  type CrossEntropyParams,
  cacheWrite,
  cat,
  chunk,
  clamp,
  clipToNorm,
  clone,
  compare,
  conv1d,
  conv2d,
  convKeys,
  copyInto,
  cos,
  crossEntropy,
  crossEntropyBackward,
  cumsum,
  type DimArgument,
  type DocumentAttentionParams,
  type DoraNormParams,
  dequantizeBlockwise,
  div,
  documentAttention,
  documentAttentionBackward,
  documentMask,
  doraLinear,
  doraNorm,
  dropout,
  type ExtremaParams,
  einsum,
  embedding,
  embeddingBackward,
  eq,
  erf,
  exp,
  expand,
  expm1,
  type FlattenOptions,
  type FoldParams,
  flatten,
  flip,
  fold,
  type GegluParams,
  gather,
  ge,
  geglu,
  gegluBackward,
  gelu,
  geluBackward,
  geluTanh,
  geluTanhBackward,
  gradNorm,
  gt,
  type InRangeParams,
  indexAdd,
  indexSelect,
  inRange,
  type KlDivOptions,
  klDiv,
  type LinearCrossEntropyParams,
  type LinearOptions,
  type LionStepParams,
  type LossOptions,
  type LowRankRowsParams,
  l1Loss,
  layerNorm,
  layerNormBackward,
  layerNormWeightBackward,
  le,
  linear,
  linearCrossEntropy,
  linearInt8,
  lionStep,
  log,
  log1p,
  logSoftmax,
  logSoftmaxBackward,
  logsumexp,
  loraLinear,
  lowRankRows,
  lt,
  type MatmulParams,
  type MaxPool1dOptions,
  type MaxPool2dOptions,
  matmul,
  max,
  maximum,
  maxPool1d,
  maxPool2d,
  maxPoolKeys,
  mean,
  min,
  minimum,
  mseLoss,
  mul,
  type NormParams,
  ne,
  neg,
  type OneHotParams,
  oneHot,
  type PagedAttentionParams,
  type PagedGeometry,
  type PlaceParams,
  type PowScalarParams,
  pad,
  pagedAttention,
  pagedWrite,
  permute,
  place,
  pow,
  powScalar,
  prod,
  type Quantize4bitParams,
  quantize4bit,
  quantizeBlockwise,
  type Range,
  type ReduceOptions,
  type RmspropStepParams,
  type RopeParams,
  reciprocal,
  relu,
  repeatInterleave,
  reshape,
  rmsNorm,
  rmsNormBackward,
  rmsNormWeightBackward,
  rmspropStep,
  rope,
  ropeTables,
  rowSquares,
  rsqrt,
  type SampleTokensParams,
  type ScaledDotProductAttentionOptions,
  type SgdStepParams,
  type Size2d,
  type SliceParams,
  type SoftmaxParams,
  type SolveParams,
  sampleTokens,
  scaledDotProductAttention,
  scaleInPlace,
  scatterAdd,
  select,
  sgdStep,
  sigmoid,
  sign,
  silu,
  siluBackward,
  sin,
  slice,
  softmax,
  softmaxBackward,
  softplus,
  solve,
  split,
  sqrt,
  square,
  squeeze,
  stack,
  std,
  sub,
  sum,
  sumToShape,
  swiglu,
  swigluBackward,
  type TopkParams,
  type TriangleParams,
  tanh,
  to,
  topk,
  transpose,
  triangle,
  tril,
  triu,
  type UnfoldOptions,
  type UnfoldParams,
  unfold,
  unsqueeze,
  type VarianceOptions,
  variance,
  where,
  widen,
} from "./functional/index.ts";
export { bytesOf } from "./internal/bytesOf.ts";
export { checkOptions, keysOf, type OptionKeys, toCamelCase, unknownOption } from "./internal/checkOptions.ts";
export { expressionCost } from "./internal/expressionCost.ts";
export { inspectAsText } from "./internal/inspectAsText.ts";
export { nearestName } from "./internal/nearestName.ts";
export type { OnProgress, Progress } from "./internal/progress.ts";
export { pythonFloat } from "./internal/pythonFloat.ts";
export { yieldIfDue, yieldToEventLoop } from "./internal/yieldIfDue.ts";
export { checkDType } from "./layout/checkDType.ts";
export {
  type BlockDType,
  bytesPerElement,
  canQuantizeAs,
  type DataOf,
  type DType,
  dtypes,
  type ElementDType,
  hasIntegerCodes,
  isPacked,
  type PackedDType,
  type QuantType,
  type TypedArray,
  viewAs,
} from "./layout/dtype.ts";
export { bf16ToF32, f16ToF32, f32ToBf16, f32ToF16 } from "./layout/half.ts";
export { checkFinite, firstNonFinite } from "./layout/nonFinite.ts";
export { readF16 } from "./layout/readF16.ts";
export { formatShape, type NestedArray, type Shape, sizeOf } from "./layout/shape.ts";
export type { ShapeArguments } from "./layout/shapeArguments.ts";
export { type Qr, truncatedQr } from "./linalg/truncatedQr.ts";
export { type Svd, singularValues, truncatedSvd } from "./linalg/truncatedSvd.ts";
export { enableGrad, isGradEnabled, noGrad } from "./modes/gradMode.ts";
export {
  checkPrecision,
  getFloat32MatmulPrecision,
  type MatmulPrecision,
  productPrecision,
  setFloat32MatmulPrecision,
  withFloat32MatmulPrecision,
} from "./modes/matmulPrecision.ts";
export { linearWithInt8Activations } from "./ops/products/linearWithInt8Activations.ts";
export { keptTokens } from "./ops/random/keptTokens.ts";
export { adam8bitBlockSize } from "./packed/blockwise/adam8bitBlockSize.ts";
export { dynamicMap } from "./packed/blockwise/dynamicMap.ts";
export { byteLength } from "./packed/byteLength.ts";
export { blockFormats, packedFormats } from "./packed/index.ts";
export { supportsInt8Activations } from "./packed/supportsInt8Activations.ts";
export { type BitsandbytesWeight, fromBitsandbytes, toBitsandbytes } from "./quantize/bitsandbytes.ts";
export { enableInt8Activations, packedTensor } from "./quantize/packedTensor.ts";
export { quantizeAs } from "./quantize/quantizeAs.ts";
export { QuantStateError } from "./quantize/quantState.ts";
export { defaultGenerator, manualSeed } from "./random/manualSeed.ts";
export { Generator, type GeneratorState, philox } from "./random/random.ts";
export {
  type ByteSource,
  blobSource,
  byteSource,
  bytesSource,
  openSafetensors,
  openShardedSafetensors,
  parseSafetensorsHeader,
  parseSafetensorsIndex,
  type SafetensorsData,
  type SafetensorsDType,
  type SafetensorsEntry,
  SafetensorsError,
  type SafetensorsFile,
  type SafetensorsHeader,
  type SafetensorsIndex,
  type SafetensorsInfo,
  type SafetensorsParts,
  type SafetensorsPiece,
  type SafetensorsSpec,
  type SafetensorsTensor,
  safetensorsFileLength,
  streamSafetensors,
  writeSafetensors,
} from "./safetensors/index.ts";
export { checkLogits } from "./sampling/checkLogits.ts";
export { type SamplingOptions, samplingKeys } from "./sampling/samplingOptions.ts";
export { sampleToken, tokenProbabilities } from "./sampling/tokenProbabilities.ts";
export { fromParts, type PartsSpec } from "./transfer/fromParts.ts";
export { InputTable } from "./transfer/inputTable.ts";
export { type MetaBackend, type MetaBuffer, type MetaEvent, type MetaOptions, meta } from "./transfer/meta.ts";
export { moveTensors } from "./transfer/moveTensors.ts";
export { overwriteBytes } from "./transfer/overwriteBytes.ts";
export { toBackend } from "./transfer/toBackend.ts";
