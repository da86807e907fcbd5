// The entry "@lowrank/core/backend": types of all ops, and what kernels share with the ops: plans
// of shapes, walks, layouts. Kernels import it by `import type` where they name an op, so that a
// bundle holds no op for having its kernel.

export type {
  Backend,
  BackendOp,
  Buffer,
  DataFault,
  TableKernel,
  TensorRef,
  TensorSpec,
  View,
} from "./backend.ts";
export { faultError, viewOf } from "./backend.ts";
export { collapse, forEachOuter, forEachPlane, forEachRow, type Plane, type Traversal } from "./broadcast.ts";
export { bytesPerElement, type DType, dtypes, isPacked } from "./dtype.ts";
export type { Op, OpDefinition, Planned } from "./op.ts";
export { alongDim } from "./ops/alongDim.ts";
export type { attentionOp } from "./ops/attention.ts";
export type { attentionDropout, attentionDropoutBackward } from "./ops/attentionDropout.ts";
export { forEachSequence } from "./ops/cacheSequences.ts";
export type { crossEntropyWithRows } from "./ops/crossEntropy.ts";
export type { documentAttentionOp } from "./ops/documentAttention.ts";
export type { dropoutOp } from "./ops/dropout.ts";
export type * from "./ops/index.ts";
export type { linearCrossEntropyOp } from "./ops/linearCrossEntropy.ts";
export type { loraOp } from "./ops/loraLinear.ts";
export { forEachMatrix, matmulPlan } from "./ops/matmulPlan.ts";
export { permutedDims, traversePermuted } from "./ops/permutePlan.ts";
export type { sampleTokensOp } from "./ops/sampleTokens.ts";
export { slicePlan } from "./ops/slicePlan.ts";
export { traverseIndex } from "./ops/traverseIndex.ts";
export { uniformsOf } from "./ops/uniforms.ts";
export type { WindowPlan } from "./ops/windowPlan.ts";
export { fourBitLayout, writeHeader } from "./packed/fourBitLayout.ts";
export type { BlockFormat, FourBitFormat, Packing } from "./packed/packedFormat.ts";
export { byteLength, formatOf } from "./packing.ts";
export { adam8bitBlockSize } from "./quantize/adam8bitBlockSize.ts";
export { normalizeDim, type Shape, sameShape, sizeOf, stridesOf } from "./shape.ts";
export { expectSynchronous } from "./synchronous.ts";
