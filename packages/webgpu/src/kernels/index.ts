import type { WebGpuKernel } from "../kernel.ts";
import { affineKernel } from "./affine.ts";
import { addKernel, compareKernel, divKernel, maximumKernel, mulKernel, powKernel, whereKernel } from "./binary.ts";
import { gatherKernel, indexSelectKernel, scatterAddKernel } from "./indexing.ts";
import { inRangeKernel } from "./inRange.ts";
import { linearCrossEntropyOpKernel } from "./linearCrossEntropy.ts";
import { loraOpKernel } from "./loraLinear.ts";
import { lowRankRowsKernel } from "./lowRankRows.ts";
import { matmulKernel } from "./matmul.ts";
import { catKernel, copyIntoKernel, expandKernel, permuteKernel, placeKernel, sliceKernel } from "./moves.ts";
import { quantize4bitKernel } from "./quantize4bit.ts";
import { amaxKernel, sumToShapeKernel } from "./reduce.ts";
import { toKernel } from "./to.ts";
import { cosKernel, erfKernel, expKernel, logKernel, sinKernel, sqrtKernel, tanhKernel } from "./unary.ts";

/** The kernels of this package. */
export const kernels: readonly WebGpuKernel[] = [
  addKernel,
  affineKernel,
  amaxKernel,
  catKernel,
  compareKernel,
  copyIntoKernel,
  cosKernel,
  divKernel,
  erfKernel,
  expandKernel,
  expKernel,
  gatherKernel,
  indexSelectKernel,
  inRangeKernel,
  logKernel,
  linearCrossEntropyOpKernel,
  loraOpKernel,
  lowRankRowsKernel,
  matmulKernel,
  maximumKernel,
  mulKernel,
  permuteKernel,
  placeKernel,
  powKernel,
  quantize4bitKernel,
  scatterAddKernel,
  sinKernel,
  sliceKernel,
  sqrtKernel,
  sumToShapeKernel,
  tanhKernel,
  toKernel,
  whereKernel,
];
