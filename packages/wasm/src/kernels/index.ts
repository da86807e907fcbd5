import {
  attentionBackwardKernel,
  attentionOpKernel,
  documentAttentionBackwardKernel,
  documentAttentionKernel,
  ropeKernel,
} from "./attention.ts";
import { crossEntropyBackwardKernel, crossEntropyWithRowsKernel, linearCrossEntropyOpKernel } from "./crossEntropy.ts";
import { elementwiseKernels } from "./elementwise.ts";
import {
  embeddingBackwardKernel,
  embeddingKernel,
  gatherKernel,
  indexAddKernel,
  indexSelectKernel,
  scatterAddKernel,
} from "./indexing.ts";
import { addIntoKernel, cacheWriteKernel, copyIntoKernel, scaleInPlaceKernel } from "./inPlace.ts";
import type { WasmKernel } from "./kernel.ts";
import {
  catKernel,
  expandKernel,
  permuteKernel,
  placeKernel,
  sliceKernel,
  splitKernel,
  sumToShapeKernel,
  toKernel,
} from "./moves.ts";
import {
  layerNormBackwardKernel,
  layerNormKernel,
  layerNormWeightBackwardKernel,
  rmsNormBackwardKernel,
  rmsNormKernel,
  rmsNormWeightBackwardKernel,
} from "./norms.ts";
import {
  adagradStepKernel,
  adamStep8bitKernel,
  adamStepKernel,
  clipToNormKernel,
  gradNormKernel,
  rmspropStepKernel,
  sgdStepKernel,
} from "./optimizers.ts";
import { linearInt8Kernel, loraOpKernel, matmulKernel } from "./products.ts";
import { dequantizeBlockwiseKernel, quantize4bitKernel, quantizeBlockwiseKernel } from "./quantize.ts";
import { amaxKernel, aminKernel, cumsumKernel, maxKernel, minKernel } from "./reductions.ts";
import { sampleTokensOpKernel } from "./sampleTokens.ts";
import { logSoftmaxBackwardKernel, logSoftmaxKernel, softmaxBackwardKernel, softmaxKernel } from "./softmax.ts";
import { avgPool2dBackwardKernel, avgPool2dKernel, foldKernel, maxPool2dKernel, unfoldKernel } from "./windows.ts";

/** The kernels of this package, except `batchInvariantKernels`. */
export const kernels: readonly WasmKernel[] = [
  ...elementwiseKernels,
  adagradStepKernel,
  adamStepKernel,
  adamStep8bitKernel,
  amaxKernel,
  aminKernel,
  attentionOpKernel,
  attentionBackwardKernel,
  documentAttentionKernel,
  documentAttentionBackwardKernel,
  avgPool2dKernel,
  avgPool2dBackwardKernel,
  cacheWriteKernel,
  catKernel,
  splitKernel,
  crossEntropyWithRowsKernel,
  crossEntropyBackwardKernel,
  cumsumKernel,
  embeddingKernel,
  embeddingBackwardKernel,
  expandKernel,
  sumToShapeKernel,
  gatherKernel,
  scatterAddKernel,
  gradNormKernel,
  clipToNormKernel,
  copyIntoKernel,
  addIntoKernel,
  scaleInPlaceKernel,
  indexSelectKernel,
  indexAddKernel,
  layerNormKernel,
  layerNormBackwardKernel,
  layerNormWeightBackwardKernel,
  linearCrossEntropyOpKernel,
  linearInt8Kernel,
  loraOpKernel,
  matmulKernel,
  maxKernel,
  maxPool2dKernel,
  minKernel,
  permuteKernel,
  quantize4bitKernel,
  quantizeBlockwiseKernel,
  dequantizeBlockwiseKernel,
  rmsNormKernel,
  rmsNormBackwardKernel,
  rmsNormWeightBackwardKernel,
  rmspropStepKernel,
  ropeKernel,
  sampleTokensOpKernel,
  sgdStepKernel,
  sliceKernel,
  placeKernel,
  softmaxKernel,
  softmaxBackwardKernel,
  logSoftmaxKernel,
  logSoftmaxBackwardKernel,
  toKernel,
  unfoldKernel,
  foldKernel,
];
