import {
  attentionBackwardKernel,
  attentionOpKernel,
  documentAttentionBackwardKernel,
  documentAttentionKernel,
} from "./attention.ts";
import { catKernel, splitKernel } from "./cat.ts";
import { crossEntropyBackwardKernel, crossEntropyWithRowsKernel } from "./crossEntropy.ts";
import { elementwiseKernels } from "./elementwise.ts";
import { embeddingBackwardKernel, embeddingKernel } from "./embedding.ts";
import { expandKernel, sumToShapeKernel } from "./expand.ts";
import { gatherKernel, scatterAddKernel } from "./gather.ts";
import { clipToNormKernel, gradNormKernel } from "./gradNorm.ts";
import { indexAddKernel, indexSelectKernel } from "./indexSelect.ts";
import { addIntoKernel, cacheWriteKernel, copyIntoKernel, scaleInPlaceKernel } from "./inPlace.ts";
import type { WasmKernel } from "./kernel.ts";
import { layerNormBackwardKernel, layerNormKernel, layerNormWeightBackwardKernel } from "./layerNorm.ts";
import { linearCrossEntropyOpKernel } from "./linearCrossEntropy.ts";
import { linearInt8Kernel } from "./linearInt8.ts";
import { loraOpKernel } from "./loraLinear.ts";
import { matmulKernel } from "./matmul.ts";
import {
  adagradStepKernel,
  adamStep8bitKernel,
  adamStepKernel,
  rmspropStepKernel,
  sgdStepKernel,
} from "./optimizers.ts";
import { permuteKernel } from "./permute.ts";
import { avgPool2dBackwardKernel, avgPool2dKernel, maxPool2dKernel } from "./pooling.ts";
import { quantize4bitKernel } from "./quantize4bit.ts";
import { dequantizeBlockwiseKernel, quantizeBlockwiseKernel } from "./quantizeBlockwise.ts";
import { amaxKernel, aminKernel, cumsumKernel, maxKernel, minKernel } from "./reductions.ts";
import { rmsNormBackwardKernel, rmsNormKernel, rmsNormWeightBackwardKernel } from "./rmsNorm.ts";
import { ropeKernel } from "./rope.ts";
import { sampleTokensOpKernel } from "./sampleTokens.ts";
import { placeKernel, sliceKernel } from "./slice.ts";
import { logSoftmaxBackwardKernel, logSoftmaxKernel, softmaxBackwardKernel, softmaxKernel } from "./softmax.ts";
import { toKernel } from "./to.ts";
import { foldKernel, unfoldKernel } from "./unfold.ts";

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
