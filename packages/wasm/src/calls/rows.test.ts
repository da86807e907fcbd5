import { expect, test } from "vitest";
import { type RecordOptions, recordedCalls } from "../testing/recordedCalls.ts";

type Row = readonly [inputs: string, options: RecordOptions, calls: string];

// biome-ignore format: calls in few lines
/** Calls of kernels, with the values of the parameters in the order of `kernelTypes.gen.ts`. */
const table: readonly Row[] = [
  ["max f32[2,3,5]", { params: { dim: 1 } }, "extremum a out out1 2 3 5 0"],
  ["min f32[2,3,5]", { params: { dim: 1 } }, "extremum a out out1 2 3 5 1"],
  ["amax f32[2,3,5]", { params: { shape: [2, 1, 5] } },
    "fill out 10 -8388608; extremumPlane a out 3 5 0 1 0; extremumPlane a+60 out+20 3 5 0 1 0"],
  ["amin f32[2,3,5]", { params: { shape: [3, 1] } },
    "fill out 3 2139095040; extremumPlane a out 3 5 1 0 1; extremumPlane a+60 out 3 5 1 0 1"],
  ["cumsum f32[2,3,5]", { params: { dim: 1 } }, "s0 = 40 bytes; cumsum a out s0 2 3 5"],
  ["softmax f32[2,3,5]", { params: { dim: 2 } }, "softmax a out 6 5"],
  ["softmax f32[2,3,5]", { params: { dim: 1 } },
    "s0 = 120 bytes; permute a s0 1 2 5 3 0 15 1 5 4; softmax s0 s0 10 3; permute s0 out 1 2 3 5 0 15 1 3 4"],
  ["softmaxBackward f32[2,3,5] f32[2,3,5]", { params: { dim: 0 } },
    `s0 = 120 bytes; permute a s0 1 1 15 2 0 30 1 15 4; s1 = 120 bytes; permute b s1 1 1 15 2 0 30 1 15 4;
     softmaxBackward s0 s1 s0 15 2; permute s0 out 1 1 2 15 0 30 1 2 4`],
  ["logSoftmax f32[2,3,5]", { params: { dim: 1 } },
    "s0 = 120 bytes; permute a s0 1 2 5 3 0 15 1 5 4; logSoftmax s0 s0 10 3; permute s0 out 1 2 3 5 0 15 1 3 4"],
  ["logSoftmaxBackward f32[2,3,5] f32[2,3,5]", { params: { dim: -1 } }, "logSoftmaxBackward a b out 6 5"],
  ["softmaxBackward f32[2,3,5] f32[2,3,5]", { params: { dim: 2 } }, "softmaxBackward a b out 6 5"],
  ["logSoftmax f32[2,3,5]", { params: { dim: 2 } }, "logSoftmax a out 6 5"],
  ["logSoftmaxBackward f32[2,3,5] f32[2,3,5]", { params: { dim: 1 } },
    `s0 = 120 bytes; permute a s0 1 2 5 3 0 15 1 5 4; s1 = 120 bytes; permute b s1 1 2 5 3 0 15 1 5 4;
     logSoftmaxBackward s0 s1 s0 10 3; permute s0 out 1 2 3 5 0 15 1 3 4`],
  ["layerNorm f32[2,3,5] f32[5] f32[5]", { params: { eps: 1e-05 } }, "layerNorm a b c out 6 5 0.00001"],
  ["layerNormBackward f32[6,5] f32[6,5] f32[5]", { params: { eps: 1e-05 } },
    "layerNormBackward a b c out 6 5 0.00001"],
  ["layerNormWeightBackward f32[6,5] f32[6,5]", { params: { eps: 1e-05 } },
    "s0 = 20 bytes; layerNormWeightBackward a b out s0 6 5 0.00001"],
  ["rmsNorm f32[2,3,5] f32[5]", { params: { eps: 1e-05 } }, "rmsNorm a b out 6 5 0.00001"],
  ["rmsNormBackward f32[6,5] f32[6,5] f32[5]", { params: { eps: 1e-05 } }, "rmsNormBackward a b c out 6 5 0.00001"],
  ["rmsNormWeightBackward f32[6,5] f32[6,5]", { params: { eps: 1e-05 } },
    "s0 = 20 bytes; rmsNormWeightBackward a b out s0 6 5 0.00001"],
  ["rope f32[2,3,4,6] f32[5,2] f32[5,2]", { params: { offset: 1 } },
    "rope a b+8 c+8 out 3 4 6 2 1; rope a+288 b+8 c+8 out+288 3 4 6 2 1"],
  ["rope f32[2,3,4,6] f32[5,2] f32[5,2]", { params: { inverse: true } },
    "rope a b c out 3 4 6 2 -1; rope a+288 b c out+288 3 4 6 2 -1"],
  ["rope f32[2,3,4,6] f32[2,3,2] f32[2,3,2]", {}, "rope a b c out 6 4 6 2 1"],
  ["attention f32[2,3,4,8] f32[2,5,2,8] f32[2,5,2,8]", { params: { scale: 0.5, causal: true } },
    "s0 = 1000 bytes; attention a b c 0 out out1 s0 0 4 3 5 5 4 2 8 0.5 1 0 0 0 0 0 0"],
  ["attention f32[2,3,4,8] f32[2,5,2,8] f32[2,5,2,8] bool[2,1,3,5]",
    { params: { scale: 0.5, causal: true, window: 7, softcap: 30 } },
    "s0 = 1000 bytes; attention a b c d out out1 s0 0 4 3 5 5 4 2 8 0.5 1 7 30 15 0 5 0"],
  ["attentionBackward f32[2,3,4,8] f32[2,3,4,8] f32[2,5,2,8] f32[2,5,2,8] f32[2,3,4,8] f32[2,4,3]",
    { params: { scale: 0.5, causal: true } },
    `fill out1 160 0; fill out2 160 0; s0 = 1000 bytes;
     attentionBackward a b c d e f 0 out out1 out2 s0 0 4 3 5 5 4 2 8 0.5 1 0 0 0 0 0 0`],
  ["attentionBackward f32[2,3,4,8] f32[2,3,4,8] f32[2,5,2,8] f32[2,5,2,8] f32[2,3,4,8] f32[2,4,3] bool[2,1,3,5]",
    { params: { scale: 0.5, causal: true, window: 7, softcap: 30 } },
    `fill out1 160 0; fill out2 160 0; s0 = 1000 bytes;
     attentionBackward a b c d e f g out out1 out2 s0 0 4 3 5 5 4 2 8 0.5 1 7 30 15 0 5 0`],
  ["documentAttention f32[2,5,4,8] f32[2,5,2,8] f32[2,5,2,8] i32[2,5]", { params: { scale: 0.5 } },
    "s0 = 1000 bytes; attention a b c 0 out out1 s0 0 4 5 5 5 4 2 8 0.5 1 0 0 0 0 0 d"],
  ["documentAttentionBackward f32[2,5,4,8] f32[2,5,4,8] f32[2,5,2,8] f32[2,5,2,8] f32[2,5,4,8] f32[2,4,5] i32[2,5]",
    { params: { scale: 0.5 } },
    `fill out1 160 0; fill out2 160 0; s0 = 1000 bytes;
     attentionBackward a b c d e f 0 out out1 out2 s0 0 4 5 5 5 4 2 8 0.5 1 0 0 0 0 0 g`],
  ["pagedAttention f32[3,4,8] f32[6,16,2,8] f32[6,16,2,8] i32[2,3] i32[3,2]", { params: { scale: 0.5 } },
    "findBadPage d e 3 2 3 6 16 0; s0 = 1500 bytes; pagedAttention a b c d e out s0 0 6 4 2 8 16 3 0.5 0 0"],
  ["crossEntropy f32[2,3,10] i32[2,3]", {}, "findBadLabel b 6 10 -100; crossEntropy a b out out1 6 10 -100 0 2"],
  ["crossEntropy f32[6,10] i32[6]", { params: { reduction: "none", ignoreIndex: -1, labelSmoothing: 0.5 } },
    "findBadLabel b 6 10 -1; crossEntropy a b out out1 6 10 -1 0.5 0"],
  ["crossEntropy f32[6,10] i32[6]", { params: { reduction: "sum" } },
    "findBadLabel b 6 10 -100; crossEntropy a b out out1 6 10 -100 0 1"],
  ["crossEntropyBackward f32[] f32[2,3,10] i32[2,3] f32[2,3,2]", {},
    "crossEntropyBackward a b c d out 6 10 -100 0 2"],
  ["crossEntropyBackward f32[6] f32[6,10] i32[6] f32[6,2]",
    { params: { reduction: "none", ignoreIndex: -1, labelSmoothing: 0.5 } },
    "crossEntropyBackward a b c d out 6 10 -1 0.5 0"],
  ["gradNorm f32[2000] f32[3]", { answers: { setSegment: 3 } },
    `s0 = 48 bytes; setSegment s0 0 2000 a 0 0 0; setSegment s0 1 3 b 0 0 0; s1 = 24 bytes; sumSquares s0 0 3 s1;
     rootOfSum s1 3 out`],
  ["clipToNorm f32[2000] f32[3] f32[]", { params: { maxNorm: 0.5 }, answers: { setSegment: 3 } },
    "s0 = 48 bytes; setSegment s0 0 2000 a 0 0 0; setSegment s0 1 3 b 0 0 0; clipToNorm s0 0 3 c 0.5"],
  ["sgdStep f32[6] f32[6]",
    { params: { lr: 0.5, weightDecay: 0.25, momentum: 0.75, dampening: 0.125, nesterov: false, first: true } },
    "sgdStep a b 0 6 0.5 0.25 0.75 0.875 0 1 0 0 0"],
  ["sgdStep f32[6] f32[6] f32[6] f32[3]",
    { params: { lr: 0.5, weightDecay: 0.25, momentum: 0.75, dampening: 0.125,
      nesterov: true, first: false, guard: "test" } },
    "sgdStep a b c 6 0.5 0.25 0.75 0.875 1 0 d 3 1"],
  ["adagradStep f32[6] f32[6] f32[6]", { params: { lr: 0.5, weightDecay: 0.25, eps: 1 } },
    "adagradStep a b c 6 0.5 0.25 1 0 0 0"],
  ["adagradStep f32[6] f32[6] f32[6] f32[3]", { params: { lr: 0.5, weightDecay: 0.25, eps: 1, guard: "obey" } },
    "adagradStep a b c 6 0.5 0.25 1 d 3 0"],
  ["rmspropStep f32[6] f32[6] f32[6]", { params: { lr: 0.5, weightDecay: 0.25, alpha: 0.75, eps: 1, momentum: 0 } },
    "rmspropStep a b c 0 6 0.5 0.25 0.75 0.25 1 0 0 0 0"],
  ["rmspropStep f32[6] f32[6] f32[6] f32[6] f32[3]",
    { params: { lr: 0.5, weightDecay: 0.25, alpha: 0.75, eps: 1, momentum: 0.5, guard: "obey" } },
    "rmspropStep a b c d 6 0.5 0.25 0.75 0.25 1 0.5 e 3 0"],
  ["adamStep f32[6] f32[6] f32[6] f32[6]",
    { params: { lr: 0.5, beta1: 0.5, beta2: 0.75, eps: 1, weightDecay: 0.25, step: 2, decoupled: true },
      answers: { setSegment: 1 } },
    `s0 = 24 bytes; setSegment s0 0 6 a b c d;
     adamStep s0 0 1 0.5 0.5 0.75 0.25 0.6666666666666666 1.5118578920369088 1 0.875 0 0 0 0`],
  ["adamStep f32[6] f32[6] f32[6] f32[6] f32[7] f32[7] f32[7] f32[7] f32[3]",
    { params: { lr: 0.5, beta1: 0.5, beta2: 0.75, eps: 1, weightDecay: 0.25, step: 1, decoupled: false, guard: "obey" },
      answers: { setSegment: 2 } },
    `s0 = 48 bytes; setSegment s0 0 6 a b c d; setSegment s0 1 7 e f g h;
     adamStep s0 0 2 0.5 0.5 0.75 0.25 1 2 1 1 0.25 i 3 0`],
  ["adamStep8bit f32[300] f32[300] u8[300] u8[300] f32[2] f32[2] f32[256] f32[256]",
    { params: { lr: 0.5, beta1: 0.5, beta2: 0.75, eps: 1, weightDecay: 0.25, step: 2 } },
    `s0 = 2048 bytes;
     adamStep8bit a b c d e f g h s0 300 0.5 0.5 0.75 0.25 0.6666666666666666 1.5118578920369088 1 0.875 0 0 0`],
  ["adamStep8bit f32[300] f32[300] u8[300] u8[300] f32[2] f32[2] f32[256] f32[256] f32[3]",
    { params: { lr: 0.5, beta1: 0.5, beta2: 0.75, eps: 1, weightDecay: 0.25, step: 2, guard: "test" } },
    `s0 = 2048 bytes;
     adamStep8bit a b c d e f g h s0 300 0.5 0.5 0.75 0.25 0.6666666666666666 1.5118578920369088 1 0.875 i 3 1`],
  ["sampleTokens f32[2,10]", { params: { state: { seed: 1, stream: [0, 0], offset: 0 } } },
    `s0 = 80 bytes; s1 = 40 bytes; sampleToken a 10 0.8902591466903687 1 0 1 0 s0 s1 out;
     sampleToken a+40 10 0.8946846723556519 1 0 1 0 s0 s1 out+4`],
  ["linearCrossEntropy f32[5,6] f32[10,6] i32[5]",
    { params: { wants: { hidden: true, weight: false } }, answers: { selectRows: 4 } },
    `findBadLabel c 5 10 -100; s0 = 20 bytes; selectRows c s0 5 -100; s1 = 32 bytes; fill out1 30 0; fill out2 0 0;
     s2 = 288 bytes; s3 = 16 bytes; s4 = 16 bytes; s5 = 128 bytes; s6 = 256 bytes; s7 = 768 bytes; s8 = 2500 bytes;
     s9 = 192 bytes; copyRows c s0 s3 4 4 0; linearCrossEntropyPack a s0 s2 4 6 s9;
     linearCrossEntropyPart s2 b 0 0 s3 s5 s6 s7 s4 s8 0 8 8 4 6 10 0 s2;
     linearCrossEntropyJoin b 0 s3 s5 s6 s7 s4 s1 s2 4 4 6 8 0.25; copyRows s2 s0 out1 4 24 1;
     finishLoss s1 4 out 0.25`],
  ["linearCrossEntropy f32[5,6] f32[10,6] i32[5]",
    { params: { wants: { hidden: false, weight: false }, reduction: "sum", ignoreIndex: -1 },
      answers: { selectRows: 4 } },
    `findBadLabel c 5 10 -1; s0 = 20 bytes; selectRows c s0 5 -1; s1 = 32 bytes; fill out1 0 0; fill out2 0 0;
     s2 = 288 bytes; s3 = 16 bytes; s4 = 16 bytes; s5 = 128 bytes; s6 = 256 bytes; s7 = 2500 bytes; s8 = 192 bytes;
     copyRows c s0 s3 4 4 0; linearCrossEntropyPack a s0 s2 4 6 s8;
     linearCrossEntropyPart s2 b 0 0 s3 s5 s6 0 s4 s7 0 8 8 4 6 10 0 s2;
     linearCrossEntropyJoin b 0 s3 s5 s6 0 s4 s1 0 4 4 6 8 1; finishLoss s1 4 out 1`],
  ["linearCrossEntropy f32[5,6] f32[10,6] i32[5]",
    { params: { wants: { hidden: true, weight: true } }, answers: { selectRows: 4 } },
    `findBadLabel c 5 10 -100; s0 = 20 bytes; selectRows c s0 5 -100; s1 = 32 bytes; fill out1 30 0; fill out2 60 0;
     s2 = 96 bytes; s3 = 160 bytes; copyRows a s0 s2 4 24 0; gemm s2 b s3 4 10 6 6 6 10 0 1 1 0;
     crossEntropyChunk s3 c s0 s1 4 10 0 0.25 1; gemm s3 s2 out2 10 6 4 10 6 6 1 0 1 1;
     gemm s3 b s2 4 6 10 10 6 6 0 0 1 0; copyRows s2 s0 out1 4 24 1; finishLoss s1 4 out 0.25`],
  ["linearCrossEntropy f32[5,6] f32[10,6] i32[5]",
    { params: { wants: { hidden: false, weight: true } }, answers: { selectRows: 4 } },
    `findBadLabel c 5 10 -100; s0 = 20 bytes; selectRows c s0 5 -100; s1 = 32 bytes; fill out1 0 0; fill out2 60 0;
     s2 = 96 bytes; s3 = 160 bytes; copyRows a s0 s2 4 24 0; gemm s2 b s3 4 10 6 6 6 10 0 1 1 0;
     crossEntropyChunk s3 c s0 s1 4 10 0 0.25 1; gemm s3 s2 out2 10 6 4 10 6 6 1 0 1 1; finishLoss s1 4 out 0.25`],
  ["linearCrossEntropy f32[5,6] f32[10,6] i32[5]",
    { params: { wants: { hidden: false, weight: false }, labelSmoothing: 0.5 }, answers: { selectRows: 4 } },
    `findBadLabel c 5 10 -100; s0 = 20 bytes; selectRows c s0 5 -100; s1 = 32 bytes; fill out1 0 0; fill out2 0 0;
     s2 = 96 bytes; s3 = 160 bytes; copyRows a s0 s2 4 24 0; gemm s2 b s3 4 10 6 6 6 10 0 1 1 0;
     crossEntropyChunk s3 c s0 s1 4 10 0.5 0.25 0; finishLoss s1 4 out 0.25`],
  ["linearCrossEntropy f32[5,6] q8_0[10,6] i32[5]",
    { params: { wants: { hidden: true, weight: false }, labelSmoothing: 0.5 }, answers: { selectRows: 4 } },
    `findBadLabel c 5 10 -100; s0 = 20 bytes; selectRows c s0 5 -100; s1 = 32 bytes; fill out1 30 0; fill out2 0 0;
     s2 = 96 bytes; s3 = 160 bytes; copyRows a s0 s2 4 24 0; gemmWeight s2 b 10 0 s3 4 10 6 1 1 0;
     crossEntropyChunk s3 c s0 s1 4 10 0.5 0.25 1; gemmWeight s3 b 10 0 s2 4 6 10 0 1 0; copyRows s2 s0 out1 4 24 1;
     finishLoss s1 4 out 0.25`],
  ["linearCrossEntropy f32[600,6] f32[10,6] i32[600]",
    { params: { wants: { hidden: true, weight: true } }, answers: { selectRows: 513 } },
    `findBadLabel c 600 10 -100; s0 = 2400 bytes; selectRows c s0 600 -100; s1 = 4104 bytes; fill out1 3600 0;
     fill out2 60 0; s2 = 6144 bytes; s3 = 10240 bytes; copyRows a s0 s2 256 24 0;
     gemm s2 b s3 256 10 6 6 6 10 0 1 1 0; crossEntropyChunk s3 c s0 s1 256 10 0 0.001949317738791423 1;
     gemm s3 s2 out2 10 6 256 10 6 6 1 0 1 1; gemm s3 b s2 256 6 10 10 6 6 0 0 1 0; copyRows s2 s0 out1 256 24 1;
     copyRows a s0+1024 s2 256 24 0; gemm s2 b s3 256 10 6 6 6 10 0 1 1 0;
     crossEntropyChunk s3 c s0+1024 s1+2048 256 10 0 0.001949317738791423 1;
     gemm s3 s2 out2 10 6 256 10 6 6 1 0 1 1; gemm s3 b s2 256 6 10 10 6 6 0 0 1 0;
     copyRows s2 s0+1024 out1 256 24 1; copyRows a s0+2048 s2 1 24 0; gemm s2 b s3 1 10 6 6 6 10 0 1 1 0;
     crossEntropyChunk s3 c s0+2048 s1+4096 1 10 0 0.001949317738791423 1; gemm s3 s2 out2 10 6 1 10 6 6 1 0 1 1;
     gemm s3 b s2 1 6 10 10 6 6 0 0 1 0; copyRows s2 s0+2048 out1 1 24 1;
     finishLoss s1 513 out 0.001949317738791423`],
  ["linearCrossEntropy f32[600,6] f32[2097152,6] i32[600]",
    { params: { wants: { hidden: true, weight: true } }, answers: { selectRows: 6 } },
    `findBadLabel c 600 2097152 -100; s0 = 2400 bytes; selectRows c s0 600 -100; s1 = 48 bytes; fill out1 3600 0;
     fill out2 12582912 0; s2 = 96 bytes; s3 = 33554432 bytes; copyRows a s0 s2 4 24 0;
     gemm s2 b s3 4 2097152 6 6 6 2097152 0 1 1 0; crossEntropyChunk s3 c s0 s1 4 2097152 0 0.16666666666666666 1;
     gemm s3 s2 out2 2097152 6 4 2097152 6 6 1 0 1 1; gemm s3 b s2 4 6 2097152 2097152 6 6 0 0 1 0;
     copyRows s2 s0 out1 4 24 1; copyRows a s0+16 s2 2 24 0; gemm s2 b s3 2 2097152 6 6 6 2097152 0 1 1 0;
     crossEntropyChunk s3 c s0+16 s1+32 2 2097152 0 0.16666666666666666 1;
     gemm s3 s2 out2 2097152 6 2 2097152 6 6 1 0 1 1; gemm s3 b s2 2 6 2097152 2097152 6 6 0 0 1 0;
     copyRows s2 s0+16 out1 2 24 1; finishLoss s1 6 out 0.16666666666666666`],
  ["linearCrossEntropy f32[600,6] f32[9000000,6] i32[600]",
    { params: { wants: { hidden: false, weight: true } }, answers: { selectRows: 2 } },
    `findBadLabel c 600 9000000 -100; s0 = 2400 bytes; selectRows c s0 600 -100; s1 = 16 bytes; fill out1 0 0;
     fill out2 54000000 0; s2 = 24 bytes; s3 = 36000000 bytes; copyRows a s0 s2 1 24 0;
     gemm s2 b s3 1 9000000 6 6 6 9000000 0 1 1 0; crossEntropyChunk s3 c s0 s1 1 9000000 0 0.5 1;
     gemm s3 s2 out2 9000000 6 1 9000000 6 6 1 0 1 1; copyRows a s0+4 s2 1 24 0;
     gemm s2 b s3 1 9000000 6 6 6 9000000 0 1 1 0; crossEntropyChunk s3 c s0+4 s1+8 1 9000000 0 0.5 1;
     gemm s3 s2 out2 9000000 6 1 9000000 6 6 1 0 1 1; finishLoss s1 2 out 0.5`],
  ["linearCrossEntropy f32[600,262144] f32[10,262144] i32[600]",
    { params: { wants: { hidden: true, weight: false } }, answers: { selectRows: 6 } },
    `findBadLabel c 600 10 -100; s0 = 2400 bytes; selectRows c s0 600 -100; s1 = 48 bytes; fill out1 157286400 0;
     fill out2 0 0; s2 = 12582912 bytes; s3 = 16 bytes; s4 = 16 bytes; s5 = 128 bytes; s6 = 256 bytes;
     s7 = 33554432 bytes; s8 = 2500 bytes; s9 = 8388608 bytes; copyRows c s0 s3 4 4 0;
     linearCrossEntropyPack a s0 s2 4 262144 s9;
     linearCrossEntropyPart s2 b 0 0 s3 s5 s6 s7 s4 s8 0 8 8 4 262144 10 0 s2;
     linearCrossEntropyJoin b 0 s3 s5 s6 s7 s4 s1 s2 4 4 262144 8 0.16666666666666666;
     copyRows s2 s0 out1 4 1048576 1; copyRows c s0+16 s3 2 4 0; linearCrossEntropyPack a s0+16 s2 2 262144 s9;
     linearCrossEntropyPart s2 b 0 0 s3 s5 s6 s7 s4 s8 0 8 8 2 262144 10 0 s2;
     linearCrossEntropyJoin b 0 s3 s5 s6 s7 s4 s1+32 s2 2 2 262144 8 0.16666666666666666;
     copyRows s2 s0+16 out1 2 1048576 1; finishLoss s1 6 out 0.16666666666666666`],
  ["linearCrossEntropy f32[600,2097152] f32[10,2097152] i32[600]",
    { params: { wants: { hidden: false, weight: false } }, answers: { selectRows: 2 } },
    `findBadLabel c 600 10 -100; s0 = 2400 bytes; selectRows c s0 600 -100; s1 = 16 bytes; fill out1 0 0;
     fill out2 0 0; s2 = 75497472 bytes; s3 = 4 bytes; s4 = 4 bytes; s5 = 32 bytes; s6 = 64 bytes; s7 = 2500 bytes;
     s8 = 67108864 bytes; copyRows c s0 s3 1 4 0; linearCrossEntropyPack a s0 s2 1 2097152 s8;
     linearCrossEntropyPart s2 b 0 0 s3 s5 s6 0 s4 s7 0 8 8 1 2097152 10 0 s2;
     linearCrossEntropyJoin b 0 s3 s5 s6 0 s4 s1 0 1 1 2097152 8 0.5; copyRows c s0+4 s3 1 4 0;
     linearCrossEntropyPack a s0+4 s2 1 2097152 s8;
     linearCrossEntropyPart s2 b 0 0 s3 s5 s6 0 s4 s7 0 8 8 1 2097152 10 0 s2;
     linearCrossEntropyJoin b 0 s3 s5 s6 0 s4 s1+8 0 1 1 2097152 8 0.5; finishLoss s1 2 out 0.5`],
  ["linearCrossEntropy f32[9,128] f32[130,128] high i32[9]",
    { params: { wants: { hidden: true, weight: false } }, answers: { selectRows: 8, markWideSquares: 1 } },
    `findBadLabel c 9 130 -100; s0 = 36 bytes; selectRows c s0 9 -100; s1 = 64 bytes; fill out1 1152 0;
     fill out2 0 0; s2 = 8192 bytes; s3 = 32 bytes; s4 = 32 bytes; s5 = 256 bytes; s6 = 512 bytes; s7 = 32768 bytes;
     s8 = 2500 bytes; s9 = 4096 bytes; b's largest = 4 bytes; s10 = 2000 bytes;
     findLargest b 0 16640 b's largest s10; int16RowsBytes 8 128; s11 = 3000 bytes; b's wide squares = 6 bytes;
     s12 = 2000 bytes; markWideSquares b 130 128 b's wide squares s12; copyRows c s0 s3 8 4 0;
     copyRows a s0 s2 8 512 0; quantizeInt16 s2 s11 8 128; codesFit 0 b's largest 128;
     linearCrossEntropyPart s11 b 0 1 s3 s5 s6 s7 s4 s8 0 8 8 8 128 130 b's wide squares s2;
     linearCrossEntropyJoin b 0 s3 s5 s6 s7 s4 s1 s2 8 8 128 8 0.125; copyRows s2 s0 out1 8 512 1;
     finishLoss s1 8 out 0.125`],
  ["linearCrossEntropy f32[9,128] f32[130,128] high i32[9]",
    { params: { wants: { hidden: true, weight: false } }, answers: { selectRows: 8, markWideSquares: 0 } },
    `findBadLabel c 9 130 -100; s0 = 36 bytes; selectRows c s0 9 -100; s1 = 64 bytes; fill out1 1152 0;
     fill out2 0 0; s2 = 8192 bytes; s3 = 32 bytes; s4 = 32 bytes; s5 = 256 bytes; s6 = 512 bytes; s7 = 32768 bytes;
     s8 = 2500 bytes; s9 = 4096 bytes; b's largest = 4 bytes; s10 = 2000 bytes;
     findLargest b 0 16640 b's largest s10; int16RowsBytes 8 128; s11 = 3000 bytes; b's wide squares = 6 bytes;
     s12 = 2000 bytes; markWideSquares b 130 128 b's wide squares s12; copyRows c s0 s3 8 4 0;
     copyRows a s0 s2 8 512 0; quantizeInt16 s2 s11 8 128; codesFit 0 b's largest 128;
     linearCrossEntropyPart s11 b 0 1 s3 s5 s6 s7 s4 s8 0 8 8 8 128 130 0 s2;
     linearCrossEntropyJoin b 0 s3 s5 s6 s7 s4 s1 s2 8 8 128 8 0.125; copyRows s2 s0 out1 8 512 1;
     finishLoss s1 8 out 0.125`],
  ["linearCrossEntropy f32[9,128] f32[130,128] high i32[9]",
    { params: { wants: { hidden: true, weight: false } }, answers: { selectRows: 8, codesFit: 0 } },
    `findBadLabel c 9 130 -100; s0 = 36 bytes; selectRows c s0 9 -100; s1 = 64 bytes; fill out1 1152 0;
     fill out2 0 0; s2 = 8192 bytes; s3 = 32 bytes; s4 = 32 bytes; s5 = 256 bytes; s6 = 512 bytes; s7 = 32768 bytes;
     s8 = 2500 bytes; s9 = 4096 bytes; b's largest = 4 bytes; s10 = 2000 bytes;
     findLargest b 0 16640 b's largest s10; int16RowsBytes 8 128; s11 = 3000 bytes; b's wide squares = 6 bytes;
     s12 = 2000 bytes; markWideSquares b 130 128 b's wide squares s12; copyRows c s0 s3 8 4 0;
     copyRows a s0 s2 8 512 0; quantizeInt16 s2 s11 8 128; codesFit 0 b's largest 128;
     linearCrossEntropyPack a s0 s2 8 128 s9;
     linearCrossEntropyPart s2 b 0 0 s3 s5 s6 s7 s4 s8 0 8 8 8 128 130 0 s2;
     linearCrossEntropyJoin b 0 s3 s5 s6 s7 s4 s1 s2 8 8 128 8 0.125; copyRows s2 s0 out1 8 512 1;
     finishLoss s1 8 out 0.125`],
  ["linearCrossEntropy f32[9,128] f32[130,128] high i32[9]",
    { params: { wants: { hidden: true, weight: false } }, answers: { selectRows: 8, findLargest: 0 } },
    `findBadLabel c 9 130 -100; s0 = 36 bytes; selectRows c s0 9 -100; s1 = 64 bytes; fill out1 1152 0;
     fill out2 0 0; s2 = 8192 bytes; s3 = 32 bytes; s4 = 32 bytes; s5 = 256 bytes; s6 = 512 bytes; s7 = 32768 bytes;
     s8 = 2500 bytes; s9 = 4096 bytes; b's largest = 4 bytes; s10 = 2000 bytes;
     findLargest b 0 16640 b's largest s10; copyRows c s0 s3 8 4 0; linearCrossEntropyPack a s0 s2 8 128 s9;
     linearCrossEntropyPart s2 b 0 0 s3 s5 s6 s7 s4 s8 0 8 8 8 128 130 0 s2;
     linearCrossEntropyJoin b 0 s3 s5 s6 s7 s4 s1 s2 8 8 128 8 0.125; copyRows s2 s0 out1 8 512 1;
     finishLoss s1 8 out 0.125`],
  ["linearCrossEntropy f32[9,128] f32[130,128] high i32[9]",
    { params: { wants: { hidden: true, weight: false } }, answers: { selectRows: 7 } },
    `findBadLabel c 9 130 -100; s0 = 36 bytes; selectRows c s0 9 -100; s1 = 56 bytes; fill out1 1152 0;
     fill out2 0 0; s2 = 7680 bytes; s3 = 28 bytes; s4 = 28 bytes; s5 = 224 bytes; s6 = 448 bytes; s7 = 28672 bytes;
     s8 = 2500 bytes; s9 = 4096 bytes; copyRows c s0 s3 7 4 0; linearCrossEntropyPack a s0 s2 7 128 s9;
     linearCrossEntropyPart s2 b 0 0 s3 s5 s6 s7 s4 s8 0 8 8 7 128 130 0 s2;
     linearCrossEntropyJoin b 0 s3 s5 s6 s7 s4 s1 s2 7 7 128 8 0.14285714285714285; copyRows s2 s0 out1 7 512 1;
     finishLoss s1 7 out 0.14285714285714285`],
  ["linearCrossEntropy f32[9,4096] f32[130,4096] high i32[9]",
    { params: { wants: { hidden: false, weight: false } }, answers: { selectRows: 9 } },
    `findBadLabel c 9 130 -100; s0 = 36 bytes; selectRows c s0 9 -100; s1 = 72 bytes; fill out1 0 0; fill out2 0 0;
     s2 = 278528 bytes; s3 = 36 bytes; s4 = 36 bytes; s5 = 288 bytes; s6 = 576 bytes; s7 = 2500 bytes;
     s8 = 131072 bytes; b's largest = 4 bytes; s9 = 2000 bytes; findLargest b 0 532480 b's largest s9;
     int16RowsBytes 9 4096; s10 = 3000 bytes; b's wide squares = 192 bytes; s11 = 2000 bytes;
     markWideSquares b 130 4096 b's wide squares s11; copyRows c s0 s3 9 4 0; copyRows a s0 s2 9 16384 0;
     quantizeInt16 s2 s10 9 4096; codesFit 0 b's largest 4096;
     linearCrossEntropyPart s10 b 0 1 s3 s5 s6 0 s4 s7 0 8 8 9 4096 130 0 s2;
     linearCrossEntropyJoin b 0 s3 s5 s6 0 s4 s1 0 9 9 4096 8 0.1111111111111111;
     finishLoss s1 9 out 0.1111111111111111`],
  ["linearCrossEntropy f32[9,4097] f32[130,4097] high i32[9]",
    { params: { wants: { hidden: false, weight: false } }, answers: { selectRows: 9 } },
    `findBadLabel c 9 130 -100; s0 = 36 bytes; selectRows c s0 9 -100; s1 = 72 bytes; fill out1 0 0; fill out2 0 0;
     s2 = 278596 bytes; s3 = 36 bytes; s4 = 36 bytes; s5 = 288 bytes; s6 = 576 bytes; s7 = 2500 bytes;
     s8 = 131104 bytes; copyRows c s0 s3 9 4 0; linearCrossEntropyPack a s0 s2 9 4097 s8;
     linearCrossEntropyPart s2 b 0 0 s3 s5 s6 0 s4 s7 0 8 8 9 4097 130 0 s2;
     linearCrossEntropyJoin b 0 s3 s5 s6 0 s4 s1 0 9 9 4097 8 0.1111111111111111;
     finishLoss s1 9 out 0.1111111111111111`],
  ["linearCrossEntropy f32[9,128] f16[130,128] high i32[9]",
    { params: { wants: { hidden: false, weight: false } }, answers: { selectRows: 9, markWideSquares: 1 } },
    `findBadLabel c 9 130 -100; s0 = 36 bytes; selectRows c s0 9 -100; s1 = 72 bytes; fill out1 0 0; fill out2 0 0;
     s2 = 8704 bytes; s3 = 36 bytes; s4 = 36 bytes; s5 = 288 bytes; s6 = 576 bytes; s7 = 2500 bytes;
     s8 = 4096 bytes; b's largest = 4 bytes; s9 = 2000 bytes; findLargest b 1 16640 b's largest s9;
     int16RowsBytes 9 128; s10 = 3000 bytes; b's wide squares = 6 bytes; s11 = 2000 bytes; s12 = 32768 bytes;
     unpackRow 1 b 0 8192 s12; markWideSquares s12 64 128 b's wide squares s11; unpackRow 1 b 8192 8192 s12;
     markWideSquares s12 64 128 b's wide squares+2 s11; unpackRow 1 b 16384 256 s12;
     markWideSquares s12 2 128 b's wide squares+4 s11; copyRows c s0 s3 9 4 0; copyRows a s0 s2 9 512 0;
     quantizeInt16 s2 s10 9 128; codesFit 0 b's largest 128;
     linearCrossEntropyPart s10 b 1 1 s3 s5 s6 0 s4 s7 0 8 8 9 128 130 b's wide squares s2;
     linearCrossEntropyJoin b 1 s3 s5 s6 0 s4 s1 0 9 9 128 8 0.1111111111111111;
     finishLoss s1 9 out 0.1111111111111111`],
  ["pagedAttention f32[3,4,8] f32[6,16,2,8] f32[6,16,2,8] i32[2,3] i32[3,2]",
    { params: { scale: 0.5, window: 9, softcap: 30 }, answers: {} },
    "findBadPage d e 3 2 3 6 16 9; s0 = 1500 bytes; pagedAttention a b c d e out s0 0 6 4 2 8 16 3 0.5 9 30"],
  ["sampleTokens f32[2,10]",
    { params: { temperature: 0.5, topK: 3, topP: 0.9, minP: 0.1, state: { seed: 1, stream: [0, 0], offset: 0 } } },
    `s0 = 80 bytes; s1 = 40 bytes; sampleToken a 10 0.8902591466903687 0.5 3 0.9 0.1 s0 s1 out;
     sampleToken a+40 10 0.8946846723556519 0.5 3 0.9 0.1 s0 s1 out+4`],
  ["amax f32[2,3]", { params: { shape: [] } }, "fill out 1 -8388608; extremumPlane a out 1 6 0 0 0"],
  ["cumsum f32[6]", { params: { dim: 0 } }, "s0 = 8 bytes; cumsum a out s0 1 6 1"],
  ["linearCrossEntropy f32[9,128] f16[128,128] high i32[9]",
    { params: { wants: { hidden: false, weight: false } }, answers: { selectRows: 9 } },
    `findBadLabel c 9 128 -100; s0 = 36 bytes; selectRows c s0 9 -100; s1 = 72 bytes; fill out1 0 0; fill out2 0 0;
     s2 = 8704 bytes; s3 = 36 bytes; s4 = 36 bytes; s5 = 288 bytes; s6 = 576 bytes; s7 = 2500 bytes;
     s8 = 4096 bytes; b's largest = 4 bytes; s9 = 2000 bytes; findLargest b 1 16384 b's largest s9;
     int16RowsBytes 9 128; s10 = 3000 bytes; b's wide squares = 4 bytes; s11 = 2000 bytes; s12 = 32768 bytes;
     unpackRow 1 b 0 8192 s12; markWideSquares s12 64 128 b's wide squares s11; unpackRow 1 b 8192 8192 s12;
     markWideSquares s12 64 128 b's wide squares+2 s11; copyRows c s0 s3 9 4 0; copyRows a s0 s2 9 512 0;
     quantizeInt16 s2 s10 9 128; codesFit 0 b's largest 128;
     linearCrossEntropyPart s10 b 1 1 s3 s5 s6 0 s4 s7 0 8 8 9 128 128 0 s2;
     linearCrossEntropyJoin b 1 s3 s5 s6 0 s4 s1 0 9 9 128 8 0.1111111111111111;
     finishLoss s1 9 out 0.1111111111111111`],
];

test.each(table)("the calls of %s, with %o", (inputs, options, calls) => {
  expect(recordedCalls(inputs, options)).toEqual({ calls: calls.split(/;\s+/), fault: undefined });
});
