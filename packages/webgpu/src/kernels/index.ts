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
import { adamStep8bitKernel } from "./adamStep8bit.ts";
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
import { crossEntropyBackwardKernel, crossEntropyKernel } from "./crossEntropy.ts";
import { cumsumKernel } from "./cumsum.ts";
import { dropoutKernel } from "./dropout.ts";
import { embeddingBackwardKernel, embeddingKernel, indexAddKernel } from "./embedding.ts";
import { clipToNormKernel, gradNormKernel } from "./gradNorm.ts";
import { gatherKernel, indexSelectKernel, inRangeKernel, scatterAddKernel } from "./indexing.ts";
import { addIntoKernel, cacheWriteKernel, scaleInPlaceKernel } from "./inPlace.ts";
import { loraOpKernel, lowRankRowsKernel, matmulKernel } from "./linear.ts";
import { linearCrossEntropyOpKernel } from "./linearCrossEntropy.ts";
import { catKernel, copyIntoKernel, expandKernel, permuteKernel, placeKernel, sliceKernel, toKernel } from "./moves.ts";
import {
  layerNormBackwardKernel,
  layerNormKernel,
  layerNormWeightBackwardKernel,
  rmsNormBackwardKernel,
  rmsNormKernel,
  rmsNormWeightBackwardKernel,
} from "./norms.ts";
import { adagradStepKernel, adamStepKernel, rmspropStepKernel, sgdStepKernel } from "./optimizers.ts";
import { pagedAttentionKernel, pagedWriteKernel } from "./pagedAttention.ts";
import { quantize4bitKernel } from "./quantize4bit.ts";
import { amaxKernel, sumToShapeKernel } from "./reduce.ts";
import { ropeKernel } from "./rope.ts";
import { sampleTokensKernel } from "./sampleTokens.ts";
import { logSoftmaxBackwardKernel, logSoftmaxKernel, softmaxBackwardKernel, softmaxKernel } from "./softmax.ts";
import { maxKernel, minKernel, topkKernel } from "./topk.ts";
import {
  absKernel,
  affineKernel,
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
