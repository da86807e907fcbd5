import { absKernel } from "./abs.ts";
import { adagradStepKernel } from "./adagradStep.ts";
import { adamStepKernel } from "./adamStep.ts";
import { adamStep8bitKernel } from "./adamStep8bit.ts";
import { addKernel } from "./add.ts";
import { affineKernel } from "./affine.ts";
import { amaxKernel, aminKernel } from "./amax.ts";
import {
  attentionBackwardKernel,
  attentionOpKernel,
  documentAttentionBackwardKernel,
  documentAttentionKernel,
} from "./attention.ts";
import { avgPool2dBackwardKernel, avgPool2dKernel } from "./avgPool2d.ts";
import { cacheWriteKernel } from "./cacheWrite.ts";
import { catKernel, splitKernel } from "./cat.ts";
import { clampKernel } from "./clamp.ts";
import { compareKernel } from "./compare.ts";
import { crossEntropyBackwardKernel, crossEntropyWithRowsKernel } from "./crossEntropy.ts";
import { cumsumKernel } from "./cumsum.ts";
import { divKernel } from "./div.ts";
import { dropoutOpKernel } from "./dropout.ts";
import { embeddingBackwardKernel, embeddingKernel } from "./embedding.ts";
import { erfKernel } from "./erf.ts";
import { expKernel } from "./exp.ts";
import { expandKernel, sumToShapeKernel } from "./expand.ts";
import { gatherKernel, scatterAddKernel } from "./gather.ts";
import { gegluBackwardKernel, gegluKernel } from "./geglu.ts";
import { geluBackwardKernel, geluKernel } from "./gelu.ts";
import { geluTanhBackwardKernel, geluTanhKernel } from "./geluTanh.ts";
import { clipToNormKernel, gradNormKernel } from "./gradNorm.ts";
import { indexAddKernel, indexSelectKernel } from "./indexSelect.ts";
import { addIntoKernel, copyIntoKernel, scaleInPlaceKernel } from "./inPlace.ts";
import type { WasmKernel } from "./kernel.ts";
import { layerNormBackwardKernel, layerNormKernel, layerNormWeightBackwardKernel } from "./layerNorm.ts";
import { linearCrossEntropyOpKernel } from "./linearCrossEntropy.ts";
import { linearInt8Kernel } from "./linearInt8.ts";
import { logKernel } from "./log.ts";
import { loraOpKernel } from "./loraLinear.ts";
import { matmulKernel } from "./matmul.ts";
import { maxKernel } from "./max.ts";
import { maximumKernel } from "./maximum.ts";
import { maxPool2dKernel } from "./maxPool2d.ts";
import { minKernel } from "./min.ts";
import { minimumKernel } from "./minimum.ts";
import { mulKernel } from "./mul.ts";
import { permuteKernel } from "./permute.ts";
import { powKernel } from "./pow.ts";
import { quantize4bitKernel } from "./quantize4bit.ts";
import { dequantizeBlockwiseKernel, quantizeBlockwiseKernel } from "./quantizeBlockwise.ts";
import { reciprocalKernel } from "./reciprocal.ts";
import { reluKernel } from "./relu.ts";
import { rmsNormBackwardKernel, rmsNormKernel, rmsNormWeightBackwardKernel } from "./rmsNorm.ts";
import { rmspropStepKernel } from "./rmspropStep.ts";
import { ropeKernel } from "./rope.ts";
import { rsqrtKernel } from "./rsqrt.ts";
import { sampleTokensOpKernel } from "./sampleTokens.ts";
import { sgdStepKernel } from "./sgdStep.ts";
import { sigmoidKernel } from "./sigmoid.ts";
import { signKernel } from "./sign.ts";
import { siluBackwardKernel, siluKernel } from "./silu.ts";
import { cosKernel, sinKernel } from "./sin.ts";
import { placeKernel, sliceKernel } from "./slice.ts";
import { logSoftmaxBackwardKernel, logSoftmaxKernel, softmaxBackwardKernel, softmaxKernel } from "./softmax.ts";
import { softplusKernel } from "./softplus.ts";
import { sqrtKernel } from "./sqrt.ts";
import { squareKernel } from "./square.ts";
import { subKernel } from "./sub.ts";
import { swigluBackwardKernel, swigluKernel } from "./swiglu.ts";
import { tanhKernel } from "./tanh.ts";
import { toKernel } from "./to.ts";
import { foldKernel, unfoldKernel } from "./unfold.ts";
import { whereKernel } from "./where.ts";

/** The kernels of this package, except `batchInvariantKernels`. */
export const kernels: readonly WasmKernel[] = [
  absKernel,
  adagradStepKernel,
  adamStepKernel,
  adamStep8bitKernel,
  addKernel,
  affineKernel,
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
  clampKernel,
  compareKernel,
  crossEntropyWithRowsKernel,
  crossEntropyBackwardKernel,
  cumsumKernel,
  divKernel,
  dropoutOpKernel,
  embeddingKernel,
  embeddingBackwardKernel,
  erfKernel,
  expKernel,
  expandKernel,
  sumToShapeKernel,
  gatherKernel,
  scatterAddKernel,
  gegluKernel,
  gegluBackwardKernel,
  geluKernel,
  geluBackwardKernel,
  geluTanhKernel,
  geluTanhBackwardKernel,
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
  logKernel,
  loraOpKernel,
  matmulKernel,
  maxKernel,
  maximumKernel,
  maxPool2dKernel,
  minKernel,
  minimumKernel,
  mulKernel,
  permuteKernel,
  powKernel,
  quantize4bitKernel,
  quantizeBlockwiseKernel,
  dequantizeBlockwiseKernel,
  reciprocalKernel,
  reluKernel,
  rmsNormKernel,
  rmsNormBackwardKernel,
  rmsNormWeightBackwardKernel,
  rmspropStepKernel,
  ropeKernel,
  rsqrtKernel,
  sampleTokensOpKernel,
  sgdStepKernel,
  sigmoidKernel,
  signKernel,
  siluKernel,
  siluBackwardKernel,
  sinKernel,
  cosKernel,
  sliceKernel,
  placeKernel,
  softmaxKernel,
  softmaxBackwardKernel,
  logSoftmaxKernel,
  logSoftmaxBackwardKernel,
  softplusKernel,
  sqrtKernel,
  squareKernel,
  subKernel,
  swigluKernel,
  swigluBackwardKernel,
  tanhKernel,
  toKernel,
  unfoldKernel,
  foldKernel,
  whereKernel,
];
