// The entry "@lowrank/core/backend": the types of all ops, and code that kernels share with ops, such as shape plans,
// traversals and layouts. Kernels import ops by `import type`, so that a bundle with a kernel does not include the op.

export {
  type Backend,
  type BackendOp,
  type Buffer,
  type DataFault,
  faultError,
  type TableKernel,
  type TensorRef,
  type TensorSpec,
  type View,
  viewOf,
} from "./backends/backend.ts";
export { type BlockFormat, byteLength, type FourBitFormat, formatOf, type Packing } from "./backends/packedFormat.ts";
export type { Op, OpDefinition, Planned } from "./engine/op.ts";
export { OptionError } from "./internal/optionError.ts";
export { collapse, forEachOuter, forEachPlane, forEachRow, type Plane, type Traversal } from "./layout/broadcast.ts";
export { bytesPerElement, type DType, dtypes, isPacked } from "./layout/dtype.ts";
export { normalizeDim, type Shape, sameShape, sizeOf, stridesOf } from "./layout/shape.ts";
export { expectSynchronous } from "./modes/gradMode.ts";
export type { attentionOp } from "./ops/attention/attention.ts";
export type { attentionDropout, attentionDropoutBackward } from "./ops/attention/attentionDropout.ts";
export { forEachSequence } from "./ops/attention/cacheSequences.ts";
export type { documentAttentionOp } from "./ops/attention/documentAttention.ts";
export type * from "./ops/index.ts";
export type { crossEntropyWithRows } from "./ops/losses/crossEntropy.ts";
export type { linearCrossEntropyOp } from "./ops/losses/linearCrossEntropy.ts";
export type { loraOp } from "./ops/products/loraLinear.ts";
export { forEachMatrix, matmulPlan } from "./ops/products/matmulPlan.ts";
export type { dropoutOp } from "./ops/random/dropout.ts";
export type { sampleTokensOp } from "./ops/random/sampleTokens.ts";
export { uniformsOf } from "./ops/random/uniforms.ts";
export { permutedDims, slicePlan, traversePermuted } from "./ops/shapes/shapePlans.ts";
export { alongDim } from "./ops/shared/alongDim.ts";
export { traverseIndex } from "./ops/shared/indexBounds.ts";
export type { WindowPlan } from "./ops/windows/windowPlan.ts";
export { adam8bitBlockSize } from "./packed/blockwise/adam8bitBlockSize.ts";
export { fourBitLayout, writeHeader } from "./packed/blockwise/fourBitLayout.ts";
