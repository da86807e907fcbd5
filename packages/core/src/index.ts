// The entry "@lowrank/core". It lists the same names as functions.ts, one by one: with `export *`, Rolldown (Vite 8)
// moves code that pages load on demand into their first chunk.
import "./methods.ts";

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
export {
  arange,
  type CreateOptions,
  fromBytes,
  full,
  ones,
  type RangeArguments,
  zeros,
} from "./creation/create.ts";
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
export * from "./functional/index.ts";
export { bytesOf } from "./internal/bytesOf.ts";
export { toCamelCase } from "./internal/camelCase.ts";
export { checkOptions, type OptionKeys, unknownOption } from "./internal/checkOptions.ts";
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
export type { NestedArray } from "./layout/nested.ts";
export { checkFinite, firstNonFinite } from "./layout/nonFinite.ts";
export { readF16 } from "./layout/readF16.ts";
export { formatShape, type Shape, sizeOf } from "./layout/shape.ts";
export type { ShapeArguments } from "./layout/shapeArguments.ts";
export { singularValues } from "./linalg/singularValues.ts";
export { type Qr, truncatedQr } from "./linalg/truncatedQr.ts";
export { type Svd, truncatedSvd } from "./linalg/truncatedSvd.ts";
export type { TensorMethods } from "./methods.ts";
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
export { enableInt8Activations } from "./quantize/enableInt8Activations.ts";
export { packedTensor } from "./quantize/packedTensor.ts";
export { quantizeAs } from "./quantize/quantizeAs.ts";
export { QuantStateError } from "./quantize/quantState.ts";
export { defaultGenerator, manualSeed } from "./random/manualSeed.ts";
export { Generator, type GeneratorState, philox } from "./random/random.ts";
export * from "./safetensors/index.ts";
export { checkLogits } from "./sampling/checkLogits.ts";
export { type SamplingOptions, samplingKeys } from "./sampling/samplingOptions.ts";
export { sampleToken, tokenProbabilities } from "./sampling/tokenProbabilities.ts";
export { fromParts, type PartsSpec } from "./transfer/fromParts.ts";
export { InputTable } from "./transfer/inputTable.ts";
export { type MetaBackend, type MetaBuffer, type MetaEvent, type MetaOptions, meta } from "./transfer/meta.ts";
export { moveTensors } from "./transfer/moveTensors.ts";
export { overwriteBytes } from "./transfer/overwriteBytes.ts";
export { toBackend } from "./transfer/toBackend.ts";
