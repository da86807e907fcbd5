import { expect, onTestFinished, test, vi } from "vitest";
import { type RecordOptions, recordedCalls } from "../testing/recordedCalls.ts";

type Row = readonly [inputs: string, options: RecordOptions, calls: string];

// biome-ignore format: calls in few lines
/** Calls of kernels, with the values of the parameters in the order of `kernelTypes.gen.ts`. */
const table: readonly Row[] = [
  ["matmul f32[3,4] f32[4,5]", {}, "gemm a b out 3 5 4 4 5 5 0 0 1 0"],
  ["matmul f32[4,3] f32[4,5]", { params: { transposeA: true } }, "gemm a b out 3 5 4 3 5 5 1 0 1 0"],
  ["matmul f32[4,3] f32[5,4]", { params: { transposeA: true, transposeB: true } },
    "gemm a b out 3 5 4 3 4 5 1 1 1 0"],
  ["matmul f32[2,3,4] f32[5,4]", { params: { transposeB: true } }, "gemm a b out 6 5 4 4 4 5 0 1 1 0"],
  ["matmul f32[2,3,4] f32[2,4,5]", {}, "gemm a b out 3 5 4 4 5 5 0 0 1 0; gemm a+48 b+80 out+60 3 5 4 4 5 5 0 0 1 0"],
  ["matmul f32[2,4,3] f32[2,5,4]", { params: { transposeA: true, transposeB: true } },
    "gemm a b out 3 5 4 3 4 5 1 1 1 0; gemm a+48 b+80 out+60 3 5 4 3 4 5 1 1 1 0"],
  ["matmul f32[2,4,3] f32[4,5]", { params: { transposeA: true } },
    "gemm a b out 3 5 4 3 5 5 1 0 1 0; gemm a+48 b out+60 3 5 4 3 5 5 1 0 1 0"],
  ["matmul f32[3,32] q8_0[5,32]", { params: { transposeB: true } }, "gemmWeight a b 10 0 out 3 5 32 1 1 0"],
  ["linearInt8 f32[3,64] q8_0[5,64]", {},
    "s0 = 576 bytes; quantizeInt8 a s0 3 64 2; s1 = 2000 bytes; linearInt8 s0 2 b 10 out 3 5 64 0 5 s1"],
  ["linearInt8 f32[1,64] q8_0[5,64]", {},
    "s0 = 144 bytes; quantizeInt8 a s0 1 64 2; s1 = 2000 bytes; linearInt8 s0 2 b 10 out 1 5 64 0 5 s1"],
  ["linearInt8 f32[3,64] q4_0[5,64]", {},
    "s0 = 320 bytes; quantizeInt8 a s0 3 64 1; s1 = 2000 bytes; linearInt8 s0 1 b 8 out 3 5 64 0 5 s1"],
  ["linearInt8 f32[3,256] q6_k[5,256]", {},
    "s0 = 1280 bytes; quantizeInt8 a s0 3 256 1; s1 = 2000 bytes; linearInt8 s0 1 b 15 out 3 5 256 0 5 s1"],
  ["linearInt8 f32[2,3,64] q5_0[5,64]", { inShort: 0 },
    "s0 = 640 bytes; quantizeBytes a s0 6 64; s1 = 2000 bytes; linearInt8 s0 1 b 11 out 6 5 64 0 5 s1"],
  ["linearInt8 f32[2,64] q5_0[5,64]", { inShort: 0 },
    "s0 = 320 bytes; quantizeBytes a s0 2 64; s1 = 2000 bytes; linearInt8 s0 1 b 11 out 2 5 64 0 5 s1"],
  ["loraLinear f32[12000,8192] q8_0[128,8192] f32[2,8192] f32[128,2]", { params: { scaling: 0.5 } },
    `gemm a c out1 12000 2 8192 8192 8192 2 0 1 0.5 0; s0 = 4194304 bytes; unpackRow 10 b 0 1048576 s0;
     gemm d c s0 128 8192 2 2 8192 8192 0 0 0.5 1; gemm a s0 out 12000 128 8192 8192 8192 128 0 1 1 0`],
  ["matmul f32[8,128] f32[128,320] high", { answers: { markWideSquares: 2 } },
    `b's largest = 4 bytes; s0 = 2000 bytes; findLargest b 0 40960 b's largest s0; int16RowsBytes 8 128;
     s1 = 3000 bytes; b's wide squares = 10 bytes; s2 = 2000 bytes; markWideSquares b 128 320 b's wide squares s2;
     b's few wide squares = 1 bytes; s3 = 10 bytes; s4 = 2000 bytes; markWideSquares b 128 320 s3 s4;
     quantizeInt16 a s1 8 128; codesFit 0 b's largest 128; int16WeightBytes 128 320; b's 14 bits = 4000 bytes;
     int16LostShare a 8 128; packInt16 b b's 14 bits 128 320 b's wide squares; s5 = 2000 bytes;
     int16Product s1 b's 14 bits 128 320 0 out 8 0 320 s5 b's wide squares a b`],
  ["matmul f32[8,128] f16[130,128] high", { params: { transposeB: true }, inShort: 0 },
    "gemmWeight a b 1 0 out 8 130 128 1 1 0"],
  ["linearInt8 f32[1,64] q5_1[5,64]", { inShort: 0 },
    "s0 = 80 bytes; quantizeInt8 a s0 1 64 1; s1 = 2000 bytes; linearInt8 s0 1 b 12 out 1 5 64 0 5 s1"],
  ["linearInt8 f32[5,256] q6_k[5,256]", { inShort: 0 },
    "s0 = 4608 bytes; quantizeBytesInWords a s0 5 256; s1 = 2000 bytes; linearInt8 s0 2 b 15 out 5 5 256 0 5 s1"],
  ["linearInt8 f32[1,256] q6_k[5,256]", { inShort: 0 },
    "s0 = 320 bytes; quantizeInt8 a s0 1 256 1; s1 = 2000 bytes; linearInt8 s0 1 b 15 out 1 5 256 0 5 s1"],
  ["linearInt8 f32[5,32] q5_0[5,32]", { inShort: 0 },
    "s0 = 320 bytes; quantizeBytes a s0 5 32; s1 = 2000 bytes; linearInt8 s0 1 b 11 out 5 5 32 0 5 s1"],
  ["linearInt8 f32[5,32] q8_0[5,32]", { inShort: 0 },
    "s0 = 576 bytes; quantizeInt8 a s0 5 32 2; s1 = 2000 bytes; linearInt8 s0 2 b 10 out 5 5 32 0 5 s1"],
  ["loraLinear f32[3,4] f32[5,4] f32[2,4] f32[5,2]", { params: { scaling: 0.5 } },
    "gemm a c out1 3 2 4 4 4 2 0 1 0.5 0; gemm a b out 3 5 4 4 4 5 0 1 1 0; gemm out1 d out 3 5 2 2 2 5 0 1 1 1"],
  ["loraLinear f32[3,4] f32[4,5] f32[2,5] f32[4,2]", { params: { scaling: 0.5, transposed: true } },
    "gemm a d out1 3 2 4 4 2 2 0 0 0.5 0; gemm a b out 3 5 4 4 5 5 0 0 1 0; gemm out1 c out 3 5 2 2 5 5 0 0 1 1"],
  ["loraLinear f32[5,4] f32[6,4] f32[2,4] f32[6,2]", { params: { scaling: 0.5 } },
    `gemm a c out1 5 2 4 4 4 2 0 1 0.5 0; s0 = 96 bytes; unpackRow 0 b 0 24 s0; gemm d c s0 6 4 2 2 4 4 0 0 0.5 1;
     gemm a s0 out 5 6 4 4 4 6 0 1 1 0`],
  ["loraLinear f32[2,3,5] f32[5,6] f32[2,6] f32[5,2]", { params: { scaling: 0.5, transposed: true } },
    "gemm a d out1 6 2 5 5 2 2 0 0 0.5 0; gemm a b out 6 6 5 5 6 6 0 0 1 0; gemm out1 c out 6 6 2 2 6 6 0 0 1 1"],
  ["loraLinear f32[5,4] f32[6,4] f32[2,4] f32[6,2]", { params: { scaling: 0.5 }, answers: { isBatchInvariant: 1 } },
    "gemm a c out1 5 2 4 4 4 2 0 1 0.5 0; gemm a b out 5 6 4 4 4 6 0 1 1 0; gemm out1 d out 5 6 2 2 2 6 0 1 1 1"],
  ["loraLinear f32[10,8] f32[6,8] f32[2,8] f32[6,2]", { params: { scaling: 0.5 } },
    `gemm a c out1 10 2 8 8 8 2 0 1 0.5 0; s0 = 192 bytes; unpackRow 0 b 0 48 s0; gemm d c s0 6 8 2 2 8 8 0 0 0.5 1;
     gemm a s0 out 10 6 8 8 8 6 0 1 1 0`],
  ["loraLinear f32[9,8] f32[6,8] f32[2,8] f32[6,2]", { params: { scaling: 0.5 } },
    "gemm a c out1 9 2 8 8 8 2 0 1 0.5 0; gemm a b out 9 6 8 8 8 6 0 1 1 0; gemm out1 d out 9 6 2 2 2 6 0 1 1 1"],
  ["loraLinear f32[12000,8192] q8_0[300,8192] f32[2,8192] f32[300,2]", { params: { scaling: 0.5 } },
    `gemm a c out1 12000 2 8192 8192 8192 2 0 1 0.5 0; s0 = 4194304 bytes; unpackRow 10 b 0 1048576 s0;
     gemm d c s0 128 8192 2 2 8192 8192 0 0 0.5 1; gemm a s0 out 12000 128 8192 8192 8192 300 0 1 1 0;
     unpackRow 10 b 1048576 1048576 s0; gemm d+1024 c s0 128 8192 2 2 8192 8192 0 0 0.5 1;
     gemm a s0 out+512 12000 128 8192 8192 8192 300 0 1 1 0; unpackRow 10 b 2097152 360448 s0;
     gemm d+2048 c s0 44 8192 2 2 8192 8192 0 0 0.5 1; gemm a s0 out+1024 12000 44 8192 8192 8192 300 0 1 1 0`],
  ["loraLinear f32[300,200] f32[200,8192] f32[2,8192] f32[200,2]", { params: { scaling: 0.5, transposed: true } },
    `gemm a d out1 300 2 200 200 2 2 0 0 0.5 0; s0 = 4194304 bytes; unpackRow 0 b 0 1048576 s0;
     gemm d c s0 128 8192 2 2 8192 8192 0 0 0.5 1; gemm a s0 out 300 8192 128 200 8192 8192 0 0 1 0;
     unpackRow 0 b 1048576 589824 s0; gemm d+1024 c s0 72 8192 2 2 8192 8192 0 0 0.5 1;
     gemm a+512 s0 out 300 8192 72 200 8192 8192 0 0 1 1`],
  ["loraLinear f32[30000,20000] f32[100,20000] f32[2,20000] f32[100,2]", { params: { scaling: 0.5 } },
    `gemm a c out1 30000 2 20000 20000 20000 2 0 1 0.5 0; s0 = 5120000 bytes; unpackRow 0 b 0 1280000 s0;
     gemm d c s0 64 20000 2 2 20000 20000 0 0 0.5 1; gemm a s0 out 30000 64 20000 20000 20000 100 0 1 1 0;
     unpackRow 0 b 1280000 720000 s0; gemm d+512 c s0 36 20000 2 2 20000 20000 0 0 0.5 1;
     gemm a s0 out+256 30000 36 20000 20000 20000 100 0 1 1 0`],
  ["loraLinear f32[200,128] f32[130,128] high f32[2,128] f32[130,2]", { params: { scaling: 0.5 } },
    `gemm a c out1 200 2 128 128 128 2 0 1 0.5 0; b's largest = 4 bytes; s0 = 2000 bytes;
     findLargest b 0 16640 b's largest s0; int16RowsBytes 200 128; s1 = 3000 bytes; b's wide squares = 6 bytes;
     s2 = 2000 bytes; markWideSquares b 130 128 b's wide squares s2; quantizeInt16 a s1 200 128;
     codesFit 0 b's largest 128; int16WeightBytes 130 128; b's 14 bits = 4000 bytes; int16LostShare a 200 128;
     packInt16 b b's 14 bits 130 128 0; s3 = 2000 bytes;
     int16Product s1 b's 14 bits 130 128 1 out 200 0 130 s3 0 a b; gemm out1 d out 200 130 2 2 2 130 0 1 1 1`],
  ["matmul f32[8,128] f32[130,128] high", { params: { transposeB: true } },
    `b's largest = 4 bytes; s0 = 2000 bytes; findLargest b 0 16640 b's largest s0; int16RowsBytes 8 128;
     s1 = 3000 bytes; b's wide squares = 6 bytes; s2 = 2000 bytes; markWideSquares b 130 128 b's wide squares s2;
     quantizeInt16 a s1 8 128; codesFit 0 b's largest 128; int16WeightBytes 130 128; b's 14 bits = 4000 bytes;
     int16LostShare a 8 128; packInt16 b b's 14 bits 130 128 0; s3 = 2000 bytes;
     int16Product s1 b's 14 bits 130 128 1 out 8 0 130 s3 0 a b`],
  ["matmul f32[7,128] f32[130,128] high", { params: { transposeB: true } },
    "gemm a b out 7 130 128 128 128 130 0 1 1 0"],
  ["matmul f32[8,128] f32[127,128] high", { params: { transposeB: true } },
    "gemm a b out 8 127 128 128 128 127 0 1 1 0"],
  ["matmul f32[8,128] f32[128,130] high", { answers: { markWideSquares: 1 } },
    `b's largest = 4 bytes; s0 = 2000 bytes; findLargest b 0 16640 b's largest s0; int16RowsBytes 8 128;
     s1 = 3000 bytes; b's wide squares = 6 bytes; s2 = 2000 bytes; markWideSquares b 128 130 b's wide squares s2;
     b's few wide squares = 1 bytes; s3 = 6 bytes; s4 = 2000 bytes; markWideSquares b 128 130 s3 s4;
     quantizeInt16 a s1 8 128; codesFit 0 b's largest 128; int16WeightBytes 128 130; b's 14 bits = 4000 bytes;
     int16LostShare a 8 128; packInt16 b b's 14 bits 128 130 b's wide squares; s5 = 2000 bytes;
     int16Product s1 b's 14 bits 128 130 0 out 8 0 130 s5 b's wide squares a b`],
  ["matmul f32[8,128] f32[128,130] high", { answers: { markWideSquares: 2 } },
    `b's largest = 4 bytes; s0 = 2000 bytes; findLargest b 0 16640 b's largest s0; int16RowsBytes 8 128;
     s1 = 3000 bytes; b's wide squares = 6 bytes; s2 = 2000 bytes; markWideSquares b 128 130 b's wide squares s2;
     b's few wide squares = 1 bytes; s3 = 6 bytes; s4 = 2000 bytes; markWideSquares b 128 130 s3 s4;
     gemm a b out 8 130 128 128 130 130 0 0 1 0`],
  ["matmul f32[8,128] f32[128,130] high", { answers: { findLargest: 0 } },
    `b's largest = 4 bytes; s0 = 2000 bytes; findLargest b 0 16640 b's largest s0;
     gemm a b out 8 130 128 128 130 130 0 0 1 0`],
  ["matmul f32[8,128] f32[128,130] high", { answers: { codesFit: 0 } },
    `b's largest = 4 bytes; s0 = 2000 bytes; findLargest b 0 16640 b's largest s0; int16RowsBytes 8 128;
     s1 = 3000 bytes; b's wide squares = 6 bytes; s2 = 2000 bytes; markWideSquares b 128 130 b's wide squares s2;
     quantizeInt16 a s1 8 128; codesFit 0 b's largest 128; gemm a b out 8 130 128 128 130 130 0 0 1 0`],
  ["matmul f32[8,128] f16[130,128] high", { params: { transposeB: true } }, "gemmWeight a b 1 0 out 8 130 128 1 1 0"],
  ["matmul f32[8,128] q8_0[130,128] medium", { params: { transposeB: true }, backward: true },
    `b's largest = 4 bytes; s0 = 2000 bytes; findLargest b 10 16640 b's largest s0; int8RowsBytes 8 128 1;
     s1 = 5000 bytes; quantizeInt8 a s1 8 128 1; codesFit 0 b's largest 128; int8WeightBytes 130 128;
     b's 7 bits, transposed = 6000 bytes; s2 = 2000 bytes; packInt8 b 10 130 128 1 b's 7 bits, transposed s2;
     s3 = 2000 bytes; int8Product s1 b's 7 bits, transposed out 8 130 128 0 130 s3`],
  ["matmul f32[8,128] q8_0[128,160] medium", { backward: true },
    `b's largest = 4 bytes; s0 = 2000 bytes; findLargest b 10 20480 b's largest s0; int8RowsBytes 8 128 1;
     s1 = 5000 bytes; quantizeInt8 a s1 8 128 1; codesFit 0 b's largest 128; int8WeightBytes 160 128;
     b's 7 bits = 6000 bytes; s2 = 2000 bytes; packInt8 b 10 128 160 0 b's 7 bits s2; s3 = 2000 bytes;
     int8Product s1 b's 7 bits out 8 160 128 0 160 s3`],
  ["matmul f32[8,144] f16[130,144] medium", { params: { transposeB: true }, backward: true },
    `b's largest = 4 bytes; s0 = 2000 bytes; findLargest b 1 18720 b's largest s0;
     gemmWeight a b 1 0 out 8 130 144 1 1 0`],
  ["matmul f32[8,128] f16[130,128] medium", { params: { transposeB: true }, backward: true },
    `b's largest = 4 bytes; s0 = 2000 bytes; findLargest b 1 16640 b's largest s0; int8RowsBytes 8 128 1;
     s1 = 5000 bytes; quantizeInt8 a s1 8 128 1; codesFit 0 b's largest 128; int8WeightBytes 130 128;
     b's 7 bits, transposed = 6000 bytes; s2 = 2000 bytes; packInt8 b 1 130 128 1 b's 7 bits, transposed s2;
     s3 = 2000 bytes; int8Product s1 b's 7 bits, transposed out 8 130 128 0 130 s3`],
  ["matmul f32[8,128] f16[130,128] medium",
    { params: { transposeB: true }, backward: true, answers: { codesFit: 0 } },
    `b's largest = 4 bytes; s0 = 2000 bytes; findLargest b 1 16640 b's largest s0; int8RowsBytes 8 128 1;
     s1 = 5000 bytes; quantizeInt8 a s1 8 128 1; codesFit 0 b's largest 128; gemmWeight a b 1 0 out 8 130 128 1 1 0`],
  ["matmul f32[8,128] q4_0[130,128] medium", { params: { transposeB: true }, backward: true, inShort: 1 },
    `b's largest = 4 bytes; s0 = 2000 bytes; findLargest b 8 16640 b's largest s0; int8RowsBytes 8 128 1;
     s1 = 5000 bytes; quantizeInt8 a s1 8 128 1; codesFit 0 b's largest 128; int8WeightBytes 130 128;
     b's 7 bits, transposed = 6000 bytes; s2 = 2000 bytes; packInt8 b 8 130 128 1 b's 7 bits, transposed s2;
     s3 = 2000 bytes; int8Product s1 b's 7 bits, transposed out 8 130 128 0 130 s3`],
  ["matmul f32[8,128] q4_0[130,128] high", { params: { transposeB: true }, inShort: 1 },
    `b's largest = 4 bytes; s0 = 2000 bytes; findLargest b 8 16640 b's largest s0; int8RowsBytes 8 128 2;
     s1 = 5000 bytes; quantizeInt15 a s1 8 128 1; s2 = 2000 bytes; linearInt8 s1 2 b 8 out 8 130 128 0 130 s2`],
  ["matmul f32[8,128] q4_0[130,128] high",
    { params: { transposeB: true }, inShort: 0, answers: { hasByteProducts: 0 } },
    "gemmWeight a b 8 0 out 8 130 128 1 1 0"],
  ["matmul f32[8,128] q4_0[130,128] high",
    { params: { transposeB: true }, inShort: 0, answers: { quantizeInt15: 1 } },
    `b's largest = 4 bytes; s0 = 2000 bytes; findLargest b 8 16640 b's largest s0; int8RowsBytes 8 128 2;
     s1 = 5000 bytes; quantizeInt15 a s1 8 128 0; gemmWeight a b 8 0 out 8 130 128 1 1 0`],
  ["matmul f32[8,256] q6_k[130,256] high", { params: { transposeB: true }, inShort: 0 },
    `b's largest = 4 bytes; s0 = 2000 bytes; findLargest b 15 33280 b's largest s0; int8RowsBytes 8 256 2;
     s1 = 5000 bytes; quantizeInt15 a s1 8 256 1; s2 = 2000 bytes; linearInt8 s1 2 b 15 out 8 130 256 0 130 s2`],
  ["matmul f32[8,128] q8_0[130,128] high", { params: { transposeB: true }, inShort: 0 },
    "gemmWeight a b 10 0 out 8 130 128 1 1 0"],
  ["matmul f32[8,128] q4_0[128,160] medium", { backward: true, inShort: 1 },
    `b's largest = 4 bytes; s0 = 2000 bytes; findLargest b 8 20480 b's largest s0; int11RowsBytes 8 128;
     s1 = 8000 bytes; quantizeInt11 a s1 8 128; s2 = 9000 bytes; nibbleProduct s1 b 8 out 8 160 128 0 160 s2`],
  ["matmul f32[8,128] q5_0[128,160] medium", { backward: true, inShort: 1 },
    `b's largest = 4 bytes; s0 = 2000 bytes; findLargest b 11 20480 b's largest s0; int11RowsBytes 8 128;
     s1 = 8000 bytes; quantizeInt11 a s1 8 128; s2 = 9000 bytes; nibbleProduct s1 b 11 out 8 160 128 0 160 s2`],
  ["matmul f32[8,128] q5_0[128,160] medium", { backward: true, inShort: 0 },
    `b's largest = 4 bytes; s0 = 2000 bytes; findLargest b 11 20480 b's largest s0; int8RowsBytes 8 128 1;
     s1 = 5000 bytes; quantizeInt8 a s1 8 128 1; codesFit 0 b's largest 128; int8WeightBytes 160 128;
     b's 7 bits = 6000 bytes; s2 = 2000 bytes; packInt8 b 11 128 160 0 b's 7 bits s2; s3 = 2000 bytes;
     int8Product s1 b's 7 bits out 8 160 128 0 160 s3`],
  ["matmul f32[8,256] q6_k[256,256] medium", { backward: true, inShort: 1 },
    `b's largest = 4 bytes; s0 = 2000 bytes; findLargest b 15 65536 b's largest s0; int8RowsBytes 8 256 1;
     s1 = 5000 bytes; quantizeInt8 a s1 8 256 1; codesFit 0 b's largest 256; int8WeightBytes 256 256;
     b's 7 bits = 6000 bytes; s2 = 2000 bytes; packInt8 b 15 256 256 0 b's 7 bits s2; s3 = 2000 bytes;
     int8Product s1 b's 7 bits out 8 256 256 0 256 s3`],
  ["matmul f32[8,136] q4_0[136,160] medium", { backward: true, inShort: 1 },
    `b's largest = 4 bytes; s0 = 2000 bytes; findLargest b 8 21760 b's largest s0;
     gemmWeight a b 8 0 out 8 160 136 0 1 0`],
  ["matmul f32[8,128] q4_0[128,160] medium", { backward: true, inShort: 1, answers: { quantizeInt11: 1 } },
    `b's largest = 4 bytes; s0 = 2000 bytes; findLargest b 8 20480 b's largest s0; int11RowsBytes 8 128;
     s1 = 8000 bytes; quantizeInt11 a s1 8 128; int8RowsBytes 8 128 1; s2 = 5000 bytes; quantizeInt8 a s2 8 128 1;
     codesFit 0 b's largest 128; int8WeightBytes 160 128; b's 7 bits = 6000 bytes; s3 = 2000 bytes;
     packInt8 b 8 128 160 0 b's 7 bits s3; s4 = 2000 bytes; int8Product s2 b's 7 bits out 8 160 128 0 160 s4`],
  ["matmul f32[8,128] q4_0[128,160] high", { inShort: 1 }, "gemmWeight a b 8 0 out 8 160 128 0 1 0"],
  ["matmul f32[8,128] q4_0[130,128] medium",
    { params: { transposeB: true }, backward: true, inShort: 0, answers: { codesFit: 0 } },
    `b's largest = 4 bytes; s0 = 2000 bytes; findLargest b 8 16640 b's largest s0; int8RowsBytes 8 128 1;
     s1 = 5000 bytes; quantizeInt8 a s1 8 128 1; codesFit 0 b's largest 128; mixedRowsBytes 8 128; s2 = 7000 bytes;
     quantizeMixed a s2 8 128 0; s3 = 2000 bytes; linearInt8 s2 3 b 8 out 8 130 128 0 130 s3`],
  ["matmul f32[8,128] q5_0[130,128] medium",
    { params: { transposeB: true }, backward: true, inShort: 0, answers: { codesFit: 0 } },
    `b's largest = 4 bytes; s0 = 2000 bytes; findLargest b 11 16640 b's largest s0; int8RowsBytes 8 128 1;
     s1 = 5000 bytes; quantizeInt8 a s1 8 128 1; codesFit 0 b's largest 128; int8RowsBytes 8 128 2; s2 = 5000 bytes;
     quantizeInt15 a s2 8 128 0; s3 = 2000 bytes; linearInt8 s2 2 b 11 out 8 130 128 0 130 s3`],
  ["lowRankRows f32[4,3,10] f32[4,3,6] f32[2,6] f32[10,2]",
    { params: { rows: [[1, 2]], scalings: [0.5] }, answers: { lowRankRoom: 129 } },
    `factorKind 0 c 2 6; factorKind 0 d 10 2; s0 = 60 bytes; lowRankRoom 8 2 6 0; s1 = 576 bytes;
     lowRankRows b a out 6 10 s0 s0+24 s1 192 0 3;
     s0 holds c d 0 0 2 1056964608 -1 0 3 -1 9 3 0 3 6`],
  ["matmul f32[8,128] f16[130,128] medium", { params: { transposeB: true } },
    "gemmWeight a b 1 0 out 8 130 128 1 1 0"],
  ["matmul f32[2,0,4] f32[4,5]", {}, "gemm a b out 0 5 4 4 5 5 0 0 1 0"],
  ["lowRankRows f32[6,10] f32[6,6] f32[2,6] f32[10,2] f16[3,6] f16[10,3]",
    { params: { rows: [[0, 2, 3], [5]], scalings: [0.5, 2] },
      answers: { lowRankRoom: 128, factorKind: (dtype) => dtype } },
    `factorKind 0 c 2 6; factorKind 0 d 10 2; factorKind 1 e 3 6; factorKind 1 f 10 3; s0 = 108 bytes;
     lowRankRoom 8 3 6 1; s1 = 640 bytes; lowRankRows b a out 6 10 s0 s0+48 s1 128 0 5;
     s0 holds c d 0 0 2 1056964608 e f 1 1 3 1073741824 -1 1 1 -1 4 1 0 0 1 0 2 2 1 5 1`],
  ["lowRankRows f32[6,10] f32[6,6] f32[2,6] f32[10,2]",
    { params: { rows: [[]], scalings: [1] }, answers: { factorKind: (_dtype, _at, _rows, columns) => columns } },
    `factorKind 0 c 2 6; factorKind 0 d 10 2; s0 = 36 bytes; lowRankRoom 8 2 6 6; s1 = 0 bytes;
     lowRankRows b a out 6 10 s0 s0+24 s1 0 0 1; s0 holds c d 6 2 2 1065353216 -1 0 6`],
];

test.each(table)("the calls of %s, with %o", (inputs, options, calls) => {
  expect(recordedCalls(inputs, options)).toEqual({ calls: calls.split(/;\s+/), fault: undefined });
});

const batch = (size: number, each = 1) =>
  `lowRankRows f32[${size},${each},10] f32[${size},${each},6] f32[2,6] f32[10,2]`;

/** Returns the words of a call, after the addresses, kinds and ranks of its pairs of factors. */
function wordsOf(call: string, rows: readonly (readonly number[])[], more: RecordOptions = {}, scalings = [1]): string {
  const { calls } = recordedCalls(call, { params: { rows, scalings }, ...more });
  return (calls.at(-1) ?? "").replace(/^s0 holds c d 0 0 2 1065353216 /, "");
}

test("rows of a list that may change are read in every call", () => {
  const rows = [[1]];
  expect(wordsOf(batch(3), rows)).toBe("-1 0 1 -1 2 1 0 1 1");
  rows[0] = [0];
  expect(wordsOf(batch(3), rows)).toBe("-1 1 2 0 0 1");
  const list = [1];
  const outer = Object.freeze([list]);
  expect(wordsOf(batch(3), outer)).toBe("-1 0 1 -1 2 1 0 1 1");
  list[0] = 2;
  expect(wordsOf(batch(3), outer)).toBe("-1 0 2 0 2 1");
});

test("rows of a frozen list serve batches of any size", () => {
  const rows = Object.freeze([Object.freeze([1])]);
  expect(wordsOf(batch(3), rows)).toBe("-1 0 1 -1 2 1 0 1 1");
  expect(wordsOf(batch(3), rows)).toBe("-1 0 1 -1 2 1 0 1 1");
  expect(wordsOf(batch(2), rows)).toBe("-1 0 1 0 1 1");
  expect(wordsOf(batch(2, 9), rows)).toBe("-1 0 8 -1 8 1 0 9 8 0 17 1");
  expect(wordsOf(batch(2, 8), rows)).toBe("-1 0 8 0 8 8");
});

test("words of bound factors change with the slots and the scalings", () => {
  const bound = { table: Int32Array.of(11, 12, 1, 2, 3, 21, 22, 0, 1, 5), slots: [0, 1] };
  const call = "lowRankRows f32[2,10] f32[2,6] f32[3,6] f32[10,3] f32[5,6] f32[10,5]";
  const run = (rows: readonly (readonly number[])[], scalings: number[], slots: readonly number[]) => {
    bound.slots = [...slots];
    return wordsOf(call, rows, { bound }, scalings);
  };
  const one = [1, 1];
  expect(run([[0], [1]], one, [0, 1])).toBe("s0 holds 11 12 1 2 3 1065353216 21 22 0 1 5 1065353216 0 0 1 1 1 1");
  expect(run([[0], [1]], one, [1, 0])).toBe("s0 holds 21 22 0 1 5 1065353216 11 12 1 2 3 1065353216 0 0 1 1 1 1");
  const { slots } = bound;
  expect(wordsOf(call, [[0], [1]], { bound }, [0.5, 1])).toBe(
    "s0 holds 21 22 0 1 5 1056964608 11 12 1 2 3 1065353216 0 0 1 1 1 1",
  );
  expect(bound.slots).toBe(slots);
});

/** A clock that advances by 1 ms at each look, and by `cost` ms when a function of the module runs. */
function clock(cost: number) {
  let now = 0;
  const spy = vi.spyOn(performance, "now").mockImplementation(() => ++now);
  onTestFinished(() => spy.mockRestore());
  return () => {
    now += cost;
    return 0;
  };
}

test.each([
  [{ int16Product: clock }, "int8Product s1 b's 7 bits out 8 130 128 0 130 s"],
  [{ int8Product: clock }, "int16Product s"],
])("a product of medium precision with f32 weights has the codes that a trial finds faster", (slow, last) => {
  const answers = Object.fromEntries(Object.entries(slow).map(([name, make]) => [name, make(20)]));
  const { calls } = recordedCalls("matmul f32[8,128] f32[128,130] medium", { backward: true, answers });
  expect(calls.at(-1)?.replace(/ s\d+ b's/, " s1 b's")).toContain(last);
});

test("rows of bytes times 4-bit weights are summed in the way that a trial finds faster", () => {
  clock(0);
  const { calls } = recordedCalls("linearInt8 f32[4,32] q4_0[5,32]", { inShort: 0 });
  expect(calls.filter((one) => one.startsWith("setShortSums")).at(-1)).toBe("setShortSums 0");
  expect(calls.slice(-3)).toEqual([
    "quantizeBytes a s4 4 32",
    "s5 = 2000 bytes",
    "linearInt8 s4 1 b 8 out 4 5 32 0 5 s5",
  ]);
});
