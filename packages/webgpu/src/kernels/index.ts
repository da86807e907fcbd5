import type { WebGpuKernel } from "../kernel/kernel.ts";
import {
  gegluBackwardKernel,
  gegluKernel,
  geluBackwardKernel,
  geluKernel,
  geluTanhBackwardKernel,
  geluTanhKernel,
  sigmoidKernel,
  siluBackwardKernel,
  siluKernel,
  swigluBackwardKernel,
  swigluKernel,
} from "./activations.ts";
import { adagradStepKernel } from "./adagradStep.ts";
import { adamStepKernel } from "./adamStep.ts";
import { adamStep8bitKernel } from "./adamStep8bit.ts";
import { affineKernel } from "./affine.ts";
import {
  attentionBackwardKernel,
  attentionDropoutBackwardKernel,
  attentionDropoutKernel,
  attentionKernel,
} from "./attention.ts";
import {
  addKernel,
  compareKernel,
  divKernel,
  maximumKernel,
  mulKernel,
  powKernel,
  subKernel,
  whereKernel,
} from "./binary.ts";
import { cacheWriteKernel } from "./cacheWrite.ts";
import { crossEntropyBackwardKernel, crossEntropyKernel } from "./crossEntropy.ts";
import { cumsumKernel } from "./cumsum.ts";
import { dropoutKernel } from "./dropout.ts";
import { embeddingBackwardKernel, embeddingKernel, indexAddKernel } from "./embedding.ts";
import { maxKernel, minKernel } from "./extremum.ts";
import { clipToNormKernel, gradNormKernel } from "./gradNorm.ts";
import { gatherKernel, indexSelectKernel, scatterAddKernel } from "./indexing.ts";
import { addIntoKernel, scaleInPlaceKernel } from "./inPlace.ts";
import { inRangeKernel } from "./inRange.ts";
import { linearCrossEntropyOpKernel } from "./linearCrossEntropy.ts";
import { loraOpKernel } from "./loraLinear.ts";
import { lowRankRowsKernel } from "./lowRankRows.ts";
import { matmulKernel } from "./matmul.ts";
import { catKernel, copyIntoKernel, expandKernel, permuteKernel, placeKernel, sliceKernel } from "./moves.ts";
import {
  layerNormBackwardKernel,
  layerNormKernel,
  layerNormWeightBackwardKernel,
  rmsNormBackwardKernel,
  rmsNormKernel,
  rmsNormWeightBackwardKernel,
} from "./norms.ts";
import { pagedAttentionKernel, pagedWriteKernel } from "./pagedAttention.ts";
import { quantize4bitKernel } from "./quantize4bit.ts";
import { amaxKernel, sumToShapeKernel } from "./reduce.ts";
import { rmspropStepKernel } from "./rmspropStep.ts";
import { ropeKernel } from "./rope.ts";
import { sampleTokensKernel } from "./sampleTokens.ts";
import { sgdStepKernel } from "./sgdStep.ts";
import { logSoftmaxBackwardKernel, logSoftmaxKernel, softmaxBackwardKernel, softmaxKernel } from "./softmax.ts";
import { toKernel } from "./to.ts";
import { topkKernel } from "./topk.ts";
import {
  absKernel,
  cosKernel,
  erfKernel,
  expKernel,
  logKernel,
  reciprocalKernel,
  reluKernel,
  rsqrtKernel,
  sinKernel,
  sqrtKernel,
  squareKernel,
  tanhKernel,
} from "./unary.ts";

/** The kernels of this package. */
export const kernels: readonly WebGpuKernel[] = [
  absKernel,
  adagradStepKernel,
  adamStep8bitKernel,
  adamStepKernel,
  addIntoKernel,
  addKernel,
  affineKernel,
  amaxKernel,
  attentionBackwardKernel,
  attentionDropoutBackwardKernel,
  attentionDropoutKernel,
  attentionKernel,
  cacheWriteKernel,
  catKernel,
  clipToNormKernel,
  compareKernel,
  copyIntoKernel,
  cosKernel,
  crossEntropyBackwardKernel,
  crossEntropyKernel,
  cumsumKernel,
  divKernel,
  dropoutKernel,
  embeddingBackwardKernel,
  embeddingKernel,
  erfKernel,
  expandKernel,
  expKernel,
  gatherKernel,
  gegluBackwardKernel,
  gegluKernel,
  geluBackwardKernel,
  geluKernel,
  geluTanhBackwardKernel,
  geluTanhKernel,
  gradNormKernel,
  indexAddKernel,
  indexSelectKernel,
  inRangeKernel,
  layerNormBackwardKernel,
  layerNormKernel,
  layerNormWeightBackwardKernel,
  logKernel,
  linearCrossEntropyOpKernel,
  loraOpKernel,
  lowRankRowsKernel,
  logSoftmaxBackwardKernel,
  logSoftmaxKernel,
  matmulKernel,
  maximumKernel,
  maxKernel,
  minKernel,
  mulKernel,
  pagedAttentionKernel,
  pagedWriteKernel,
  permuteKernel,
  placeKernel,
  powKernel,
  quantize4bitKernel,
  reciprocalKernel,
  reluKernel,
  rmsNormBackwardKernel,
  rmsNormKernel,
  rmsNormWeightBackwardKernel,
  rmspropStepKernel,
  ropeKernel,
  rsqrtKernel,
  sampleTokensKernel,
  scaleInPlaceKernel,
  scatterAddKernel,
  sgdStepKernel,
  sigmoidKernel,
  siluBackwardKernel,
  siluKernel,
  sinKernel,
  sliceKernel,
  softmaxBackwardKernel,
  softmaxKernel,
  sqrtKernel,
  squareKernel,
  subKernel,
  sumToShapeKernel,
  swigluBackwardKernel,
  swigluKernel,
  tanhKernel,
  toKernel,
  topkKernel,
  whereKernel,
];
