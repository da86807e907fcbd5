// The entry "@lowrank/core/functions": all of core but the chained methods, `x.add(y)`. A page that
// calls functions alone downloads those that it names and no other.

export { type BackwardOptions, backward, gradients } from "./autograd.ts";
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
} from "./backend.ts";
export { bytesOf } from "./bytesOf.ts";
export { toCamelCase } from "./camelCase.ts";
export { checkDType } from "./checkDType.ts";
export { checkLogits } from "./checkLogits.ts";
export { checkOptions, type OptionKeys, unknownOption } from "./checkOptions.ts";
export { checkpoint } from "./checkpoint.ts";
export {
  arange,
  type CreateOptions,
  fromBytes,
  full,
  ones,
  type RangeArguments,
  zeros,
} from "./create.ts";
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
} from "./dtype.ts";
export { enableByteProducts } from "./enableByteProducts.ts";
export { expressionCost } from "./expressionCost.ts";
export { firstAvailable } from "./firstAvailable.ts";
export { fromParts, type PartsSpec } from "./fromParts.ts";
export * from "./functional/index.ts";
export { giveTurn, turn } from "./giveTurn.ts";
export { enableGrad, isGradEnabled, noGrad } from "./gradMode.ts";
export { bf16ToF32, f16ToF32, f32ToBf16, f32ToF16 } from "./half.ts";
export { halfAt } from "./halfAt.ts";
export { InputTable } from "./inputTable.ts";
export { inspectAsText } from "./inspectAsText.ts";
export { integerLinear } from "./integerLinear.ts";
export { singularValues } from "./linalg/singularValues.ts";
export { type Qr, truncatedQr } from "./linalg/truncatedQr.ts";
export { type Svd, truncatedSvd } from "./linalg/truncatedSvd.ts";
export { type NestedNumbers, type TensorOptions, tensor } from "./makeTensor.ts";
export { defaultGenerator, manualSeed } from "./manualSeed.ts";
export {
  checkPrecision,
  getFloat32MatmulPrecision,
  type MatmulPrecision,
  productPrecision,
  setFloat32MatmulPrecision,
  withFloat32MatmulPrecision,
} from "./matmulPrecision.ts";
export { meetsBytes } from "./meetsBytes.ts";
export { type MetaBackend, type MetaBuffer, type MetaEvent, type MetaOptions, meta } from "./meta.ts";
export { moveTensors } from "./moveTensors.ts";
export { nearestName } from "./nearestName.ts";
export type { NestedArray } from "./nested.ts";
export { checkFinite, firstNonFinite } from "./nonFinite.ts";
export { onRecompute } from "./onRecompute.ts";
export { defineOp, expectDType, type Op, type OpDefinition, type Planned, type Saves, type VjpContext } from "./op.ts";
export { keptTokens } from "./ops/keptTokens.ts";
export { overwriteBytes } from "./overwriteBytes.ts";
export { byteLength } from "./packed/byteLength.ts";
export { blockFormats, packedFormats } from "./packed/index.ts";
export type { BlockFormat, FourBitFormat, PackedFormat, Packing } from "./packed/packedFormat.ts";
export { packedTensor } from "./packedTensor.ts";
export type { OnProgress, Progress } from "./progress.ts";
export { pythonFloat } from "./pythonFloat.ts";
export { adam8bitBlockSize } from "./quantize/adam8bitBlockSize.ts";
export { type BitsandbytesWeight, fromBitsandbytes, toBitsandbytes } from "./quantize/bitsandbytes.ts";
export { dynamicMap } from "./quantize/dynamicMap.ts";
export { quantizeAs } from "./quantize/quantizeAs.ts";
export { QuantStateError } from "./quantize/quantState.ts";
export { Generator, type GeneratorState, philox } from "./random.ts";
export { type RandnOptions, type RandOptions, type RandomOptions, rand, randn } from "./randomTensors.ts";
export { reference } from "./reference.ts";
export * from "./safetensors/index.ts";
export { type SamplingOptions, samplingKeys } from "./samplingOptions.ts";
export { keep, scope } from "./scope.ts";
export { formatShape, type Shape, sizeOf } from "./shape.ts";
export type { ShapeArguments } from "./shapeArguments.ts";
export { memory, resetPeak } from "./storage.ts";
export { Tensor } from "./tensor.ts";
export { toBackend } from "./toBackend.ts";
export { sampleToken, tokenProbabilities } from "./tokenProbabilities.ts";
export { type GradOptions, grad, jvp, valueAndGrad, vjp } from "./transforms.ts";
export { UnavailableError } from "./unavailableError.ts";
