import { expect, test } from "vitest";
import { type RecordOptions, recordedCalls } from "../testing/recordedCalls.ts";

type Row = readonly [inputs: string, options: RecordOptions, calls: string];

// biome-ignore format: calls in few lines
/** Calls of kernels, with the values of the parameters in the order of `kernelTypes.gen.ts`. */
const table: readonly Row[] = [
  ["add f32[6] f32[6]", {}, "add a b out 1 6 0 0 1 1"],
  ["add f32[2,3] f32[3]", {}, "add a b out 2 3 3 0 1 1"],
  ["add f32[2,1,3] f32[4,1]", {}, "add a b out 4 3 0 1 1 0; add a+12 b out+48 4 3 0 1 1 0"],
  ["add f32[4,1] f32[2,1,3]", {}, "add a b out 4 3 1 0 0 1; add a b+12 out+48 4 3 1 0 0 1"],
  ["compare i32[4,1] i32[2,1,3]", { params: { relation: "ne" } },
    "compareInt a b out 4 3 1 0 0 1 1; compareInt a b+12 out+12 4 3 1 0 0 1 1"],
  ["compare f32[2,3] f32[2,3]", { params: { relation: "le" } }, "compare a b out 1 6 0 0 1 1 3"],
  ["compare f32[2,3] f32[2,3]", { params: { relation: "gt" } }, "compare a b out 1 6 0 0 1 1 4"],
  ["where bool[4,1] f32[2,1,3] f32[2,4,3]", {},
    "where a b c out 4 3 1 0 3 0 1 1; where a b+12 c+48 out+48 4 3 1 0 3 0 1 1"],
  ["to q8_0[1024,32]", { params: { dtype: "f16" } },
    `s0 = 65536 bytes; unpackRow 10 a 0 16384 s0; cast s0 out 16384 0 1; unpackRow 10 a 16384 16384 s0;
     cast s0 out+32768 16384 0 1`],
  ["sub f32[2,3,1] f32[1,3,5]", {}, "sub a b out 3 5 1 5 0 1; sub a+12 b out+60 3 5 1 5 0 1"],
  ["relu f32[2,3]", {}, "relu a out 6"],
  ["siluBackward f32[7] f32[7]", {}, "siluBackward a b out 7"],
  ["affine f32[7]", {}, "affine a out 7 1 0"],
  ["affine f32[7]", { params: { scale: 2, shift: 3 } }, "affine a out 7 2 3"],
  ["clamp f32[7]", {}, "clamp a out 7 -Infinity Infinity"],
  ["clamp f32[7]", { params: { min: -1, max: 2 } }, "clamp a out 7 -1 2"],
  ["compare f32[2,3] f32[3]", { params: { relation: "lt" } }, "compare a b out 2 3 3 0 1 1 2"],
  ["compare i32[3] i32[3]", { params: { relation: "ge" } }, "compareInt a b out 1 3 0 0 1 1 5"],
  ["compare i32[2,1,3] i32[4,1]", { params: { relation: "eq" } },
    "compareInt a b out 4 3 0 1 1 0 0; compareInt a+12 b out+12 4 3 0 1 1 0 0"],
  ["where bool[3] f32[2,3] f32[2,1]", {}, "where a b c out 2 3 0 3 1 1 1 0"],
  ["where bool[2,1,3] f32[4,1] f32[2,4,3]", {},
    "where a b c out 4 3 0 1 3 1 0 1; where a+3 b c+48 out+48 4 3 0 1 3 1 0 1"],
  ["dropout f32[9]", { params: { p: 0.25, state: { seed: 5 * 2 ** 32 + 7, stream: [11, 13], offset: 17 } } },
    "dropout a out 9 17 21474836487 5 11 13 4194304 1.3333333333333333"],
  ["geglu f32[4] f32[4]", { params: { approximate: "none" } }, "geglu a b out 4 0"],
  ["geglu f32[4] f32[4]", { params: { approximate: "tanh" } }, "geglu a b out 4 1"],
  ["gegluBackward f32[4] f32[4] f32[4]", { params: { approximate: "tanh" } }, "gegluBackward a b c out out1 4 1"],
  ["gegluBackward f32[4] f32[4] f32[4]", { params: { approximate: "none" } }, "gegluBackward a b c out out1 4 0"],
  ["swiglu f32[4] f32[4]", {}, "swiglu a b out 4"],
  ["swigluBackward f32[4] f32[4] f32[4]", {}, "swigluBackward a b c out out1 4"],
  ["cat f32[2,3,5] f32[2,4,5]", { params: { dim: 1 } },
    "copyBlocks a out 2 1 60 60 0 140 0; copyBlocks b out+60 2 1 80 80 0 140 0"],
  ["cat f16[3] f16[4]", { params: { dim: -1 } },
    "copyBlocks a out 1 1 6 6 0 14 0; copyBlocks b out+6 1 1 8 8 0 14 0"],
  ["split f16[2,7,5]", { params: { sizes: [3, 4], dim: 1 } },
    "copyBlocks a out 2 1 30 70 0 30 0; copyBlocks a+30 out1 2 1 40 70 0 40 0"],
  ["slice f32[2,7,3]", { params: { dim: 1, start: 2, end: 5 } }, "copyBlocks a+24 out 2 1 36 84 0 36 0"],
  ["slice f32[2,7,3]", { params: { dim: 1, start: 1, end: 6, step: 2 } }, "copyBlocks a+12 out 2 3 12 84 24 36 12"],
  ["place f32[2,3,5]", { params: { dim: 1, size: 7, start: 2 } },
    "fill out 70 0; copyBlocks a out+40 2 1 60 60 0 140 0"],
  ["place i32[2,3,5]", { params: { dim: 1, size: 7, start: 1, step: 2, value: 9 } },
    "fill out 70 9; copyBlocks a out+20 2 3 20 60 20 140 40"],
  ["place f32[2,3,5]", { params: { dim: 1, size: 7, start: 1, step: 2, value: 1 } },
    "fill out 70 1065353216; copyBlocks a out+20 2 3 20 60 20 140 40"],
  ["expand f32[3,1]", { params: { shape: [2, 3, 4] } }, "expand a out 3 4 1 0; expand a out+48 3 4 1 0"],
  ["expand f32[2,1,3,1]", { params: { shape: [2, 5, 3, 4] } },
    `expand a out 3 4 1 0; expand a out+48 3 4 1 0; expand a out+96 3 4 1 0; expand a out+144 3 4 1 0;
     expand a out+192 3 4 1 0; expand a+12 out+240 3 4 1 0; expand a+12 out+288 3 4 1 0;
     expand a+12 out+336 3 4 1 0; expand a+12 out+384 3 4 1 0; expand a+12 out+432 3 4 1 0`],
  ["sumToShape f32[2,3,4]", { params: { shape: [3, 1] } },
    "s0 = 24 bytes; fill s0 6 0; sumPlane a s0 3 4 4 1 0; sumPlane a+48 s0 3 4 4 1 0; narrow s0 out 3"],
  ["sumToShape f32[2,5,3,4]", { params: { shape: [2, 1, 3, 1] } },
    `s0 = 48 bytes; fill s0 12 0; sumPlane a s0 3 4 4 1 0; sumPlane a+48 s0 3 4 4 1 0; sumPlane a+96 s0 3 4 4 1 0;
     sumPlane a+144 s0 3 4 4 1 0; sumPlane a+192 s0 3 4 4 1 0; sumPlane a+240 s0+24 3 4 4 1 0;
     sumPlane a+288 s0+24 3 4 4 1 0; sumPlane a+336 s0+24 3 4 4 1 0; sumPlane a+384 s0+24 3 4 4 1 0;
     sumPlane a+432 s0+24 3 4 4 1 0; narrow s0 out 6`],
  ["permute f32[2,3]", { params: { dims: [1, 0] } }, "permute a out 1 1 3 2 0 0 1 3 4"],
  ["permute f16[2,3,4,5,6]", { params: { dims: [4, 2, 3, 0, 1] } }, "permute a out 1 6 20 6 0 1 6 120 2"],
  ["permute f32[2,3,4,5,6,7]", { params: { dims: [5, 3, 1, 4, 2, 0] } },
    `permute a out 3 6 4 2 840 7 210 2520 4; permute a+168 out+576 3 6 4 2 840 7 210 2520 4;
     permute a+336 out+1152 3 6 4 2 840 7 210 2520 4; permute a+504 out+1728 3 6 4 2 840 7 210 2520 4;
     permute a+672 out+2304 3 6 4 2 840 7 210 2520 4; permute a+4 out+2880 3 6 4 2 840 7 210 2520 4;
     permute a+172 out+3456 3 6 4 2 840 7 210 2520 4; permute a+340 out+4032 3 6 4 2 840 7 210 2520 4;
     permute a+508 out+4608 3 6 4 2 840 7 210 2520 4; permute a+676 out+5184 3 6 4 2 840 7 210 2520 4;
     permute a+8 out+5760 3 6 4 2 840 7 210 2520 4; permute a+176 out+6336 3 6 4 2 840 7 210 2520 4;
     permute a+344 out+6912 3 6 4 2 840 7 210 2520 4; permute a+512 out+7488 3 6 4 2 840 7 210 2520 4;
     permute a+680 out+8064 3 6 4 2 840 7 210 2520 4; permute a+12 out+8640 3 6 4 2 840 7 210 2520 4;
     permute a+180 out+9216 3 6 4 2 840 7 210 2520 4; permute a+348 out+9792 3 6 4 2 840 7 210 2520 4;
     permute a+516 out+10368 3 6 4 2 840 7 210 2520 4; permute a+684 out+10944 3 6 4 2 840 7 210 2520 4;
     permute a+16 out+11520 3 6 4 2 840 7 210 2520 4; permute a+184 out+12096 3 6 4 2 840 7 210 2520 4;
     permute a+352 out+12672 3 6 4 2 840 7 210 2520 4; permute a+520 out+13248 3 6 4 2 840 7 210 2520 4;
     permute a+688 out+13824 3 6 4 2 840 7 210 2520 4; permute a+20 out+14400 3 6 4 2 840 7 210 2520 4;
     permute a+188 out+14976 3 6 4 2 840 7 210 2520 4; permute a+356 out+15552 3 6 4 2 840 7 210 2520 4;
     permute a+524 out+16128 3 6 4 2 840 7 210 2520 4; permute a+692 out+16704 3 6 4 2 840 7 210 2520 4;
     permute a+24 out+17280 3 6 4 2 840 7 210 2520 4; permute a+192 out+17856 3 6 4 2 840 7 210 2520 4;
     permute a+360 out+18432 3 6 4 2 840 7 210 2520 4; permute a+528 out+19008 3 6 4 2 840 7 210 2520 4;
     permute a+696 out+19584 3 6 4 2 840 7 210 2520 4`],
  ["gather f32[3,4] i32[3,2]", { params: { dim: 1 } },
    "gather a b out 2 0 1 4; gather a+16 b+8 out+8 2 0 1 4; gather a+32 b+16 out+16 2 0 1 4"],
  ["gather f32[3,4] i32[2,4]", { params: { dim: 0 } }, "gather a b out 4 1 4 3; gather a b+16 out+16 4 1 4 3"],
  ["scatterAdd f32[2,4] i32[2,4]", { params: { dim: 0, shape: [3, 4] } },
    "fill out 12 0; scatterAdd a b out 4 1 4 3; scatterAdd a+16 b+16 out 4 1 4 3"],
  ["scatterAdd f32[3,2] i32[3,2]", { params: { dim: 1, shape: [3, 4] } },
    `fill out 12 0; scatterAdd a b out 2 0 1 4; scatterAdd a+8 b+8 out+16 2 0 1 4;
     scatterAdd a+16 b+16 out+32 2 0 1 4`],
  ["indexSelect f32[2,3,5] i32[4]", { params: { dim: 1 } }, "indexSelect a b out 2 3 4 20"],
  ["indexAdd f32[2,4,5] i32[4]", { params: { dim: 1, size: 3 } }, "fill out 30 0; indexAdd a b out 2 3 4 5"],
  ["embedding f16[10,6] i32[2,2]", {}, "findBadId b 4 10; embedding a b out 4 12"],
  ["embedding q8_0[10,64] i32[3]", {}, "findBadId b 3 10; embeddingPacked a 10 b out 3 64"],
  ["embeddingBackward f32[2,2,6] i32[2,2]", { params: { vocab: 10 } },
    "findBadId b 4 10; fill out 60 0; embeddingBackward a b out 4 6"],
  ["pagedWrite f32[6,16,2,8] f32[3,2,8] i32[3]", {}, "findBadId c 3 96; copyRows b c a 3 64 1"],
  ["cacheWrite f16[2,9,3,4] f16[2,2,3,4]", { params: { position: [1, 4] } },
    "copyBlocks b a+24 1 1 48 0 0 0 0; copyBlocks b+48 a+312 1 1 48 0 0 0 0"],
  ["cacheWrite f16[2,9,3,4] f16[2,2,3,4]", { params: { position: 5 } },
    "copyBlocks b a+120 1 1 48 0 0 0 0; copyBlocks b+48 a+336 1 1 48 0 0 0 0"],
  ["copyInto f16[2,3] f16[2,3]", {}, "copyBlocks b a 1 1 12 0 0 0 0"],
  ["addInto f32[6] f32[6]", {}, "axpy a b 6 1"],
  ["addInto f32[6] f32[6]", { params: { alpha: 0.5 } }, "axpy a b 6 0.5"],
  ["scaleInPlace f32[6]", { params: { factor: 0.5 } }, "scaleInPlace a 6 0.5"],
  ["to f32[9]", { params: { dtype: "f16" } }, "cast a out 9 0 1"],
  ["to q8_0[2,32]", { params: { dtype: "f32" } }, "unpackRow 10 a 0 64 out"],
  ["to q8_0[600,32]", { params: { dtype: "bf16" } },
    `s0 = 65536 bytes; unpackRow 10 a 0 16384 s0; cast s0 out 16384 0 2; unpackRow 10 a 16384 2816 s0;
     cast s0 out+32768 2816 0 2`],
  ["quantizeBlockwise f32[70] f32[256]", { params: { blockSize: 64 } }, "quantizeBlockwise a 70 64 b out out1"],
  ["dequantizeBlockwise u8[70] f32[2] f32[256]", { params: { blockSize: 64 } },
    "dequantizeBlockwise a 70 64 c b out"],
  ["quantize4bit f32[2,64]", { params: { dtype: "nf4", blockSize: 64, doubleQuant: true } },
    "s0 = 8 bytes; s1 = 768 bytes; quantize4bit a 0 128 out 6 64 128 192 s0 s1; nestScales out s0 2 s1"],
  ["quantize4bit f32[2,64]", { params: { dtype: "fp4", blockSize: 64, doubleQuant: false } },
    "s0 = 768 bytes; quantize4bit a 0 128 out 6 64 128 0 out+128 s0"],
  ["unfold f32[2,5,7]", { params: { kernelSize: [2, 3], stride: [1, 2], padding: [1, 0], dilation: [2, 1] } },
    "unfold a out 2 5 7 2 3 5 3 1 2 1 0 2 1 0"],
  ["fold f32[2,6,15]",
    { params: { kernelSize: [2, 3], stride: [1, 2], padding: [1, 0], dilation: [2, 1], outputSize: [5, 7] } },
    "fold a out 2 5 7 2 3 5 3 1 2 1 0 2 1"],
  ["maxPool2d f32[2,5,7]", { params: { kernelSize: [2, 3], stride: [1, 2], padding: [1, 0], dilation: [1, 1] } },
    "maxPool2d a out out1 2 5 7 2 3 6 3 1 2 1 0"],
  ["avgPool2dBackward f32[2,6,3]",
    { params: { kernelSize: [2, 3], stride: [1, 2], padding: [1, 0], countIncludePad: true, outputSize: [5, 7] } },
    "avgPool2dBackward a out 2 5 7 2 3 6 3 1 2 1 0 1 0"],
  ["avgPool2dBackward f32[2,6,3]",
    { params: { kernelSize: [2, 3], stride: [1, 2], padding: [1, 0], countIncludePad: false, outputSize: [5, 7] } },
    "avgPool2dBackward a out 2 5 7 2 3 6 3 1 2 1 0 0 0"],
  ["avgPool2d f32[2,5,7]",
    { params: { kernelSize: [2, 3], stride: [1, 2], padding: [1, 0], countIncludePad: true } },
    "avgPool2d a out 2 5 7 2 3 6 3 1 2 1 0 1 0"],
  ["avgPool2d f32[2,5,7]",
    { params: { kernelSize: [2, 3], stride: [1, 2], padding: [1, 0], countIncludePad: false } },
    "avgPool2d a out 2 5 7 2 3 6 3 1 2 1 0 0 0"],
  ["pagedWrite f32[6,16,2,8] f32[0,2,8] i32[0]", {}, "findBadId c 0 96"],
  ["embedding f16[10,6] i32[2,2]", { answers: { findBadId: -1 } }, "findBadId b 4 10; embedding a b out 4 12"],
];

test.each(table)("the calls of %s, with %o", (inputs, options, calls) => {
  expect(recordedCalls(inputs, options)).toEqual({ calls: calls.split(/;\s+/), fault: undefined });
});

/** Calls whose inputs have an invalid element: the last call, and the index and the value of that element. */
const faults: readonly (readonly [...Row, fault: object])[] = [
  [
    "linearCrossEntropy f32[5,6] f32[10,6] i32[5]",
    { params: { wants: { hidden: true, weight: true } }, answers: { findBadLabel: 3, readI32: 77 } },
    "readI32 c+12",
    { at: 3, value: 77 },
  ],
  ["embedding f16[10,6] i32[2,2]", { answers: { findBadId: 3, readI32: 77 } }, "readI32 b+12", { at: 3, value: 77 }],
  [
    "embeddingBackward f32[2,2,6] i32[2,2]",
    { params: { vocab: 10 }, answers: { findBadId: 0, readI32: 77 } },
    "readI32 b",
    { at: 0, value: 77 },
  ],
  ["crossEntropy f32[6,10] i32[6]", { answers: { findBadLabel: 2, readI32: 77 } }, "readI32 b+8", { at: 2, value: 77 }],
  [
    "gather f32[3,4] i32[3,2]",
    { params: { dim: 1 }, answers: { gather: 1, readI32: 77 } },
    "gather a+32 b+16 out+16 2 0 1 4",
    { at: 1, value: 77 },
  ],
  [
    "gather f32[3,4] i32[3,2]",
    { params: { dim: 1 }, answers: { gather: 0, readI32: 77 } },
    "gather a+32 b+16 out+16 2 0 1 4",
    { at: 0, value: 77 },
  ],
  [
    "scatterAdd f32[3,2] i32[3,2]",
    { params: { dim: 1, shape: [3, 4] }, answers: { scatterAdd: 0, readI32: 77 } },
    "scatterAdd a+16 b+16 out+32 2 0 1 4",
    { at: 0, value: 77 },
  ],
  [
    "indexSelect f32[2,3,5] i32[4]",
    { params: { dim: 1 }, answers: { indexSelect: 2, readI32: 77 } },
    "readI32 b+8",
    { at: 2, value: 77 },
  ],
  [
    "indexAdd f32[2,4,5] i32[4]",
    { params: { dim: 1, size: 3 }, answers: { indexAdd: 0, readI32: 77 } },
    "readI32 b",
    { at: 0, value: 77 },
  ],
  [
    "quantize4bit f32[2,64]",
    { params: { dtype: "nf4", blockSize: 64, doubleQuant: true }, answers: { quantize4bit: 0 } },
    "quantize4bit a 0 128 out 6 64 128 192 s0 s1",
    { at: 0, value: Number.NaN },
  ],
  [
    "quantize4bit f32[2,64]",
    { params: { dtype: "nf4", blockSize: 64, doubleQuant: true }, answers: { nestScales: Number.POSITIVE_INFINITY } },
    "nestScales out s0 2 s1",
    { at: -1, value: Number.POSITIVE_INFINITY },
  ],
  [
    "quantizeBlockwise f32[70] f32[256]",
    { params: { blockSize: 64 }, answers: { quantizeBlockwise: 0 } },
    "quantizeBlockwise a 70 64 b out out1",
    { at: 0, value: Number.NaN },
  ],
  [
    "pagedAttention f32[3,4,8] f32[6,16,2,8] f32[6,16,2,8] i32[2,3] i32[3,2]",
    { answers: { findBadPage: 0, readI32: 77 } },
    "readI32 e",
    { at: 0, value: 77 },
  ],
  [
    "pagedAttention f32[3,4,8] f32[6,16,2,8] f32[6,16,2,8] i32[2,3] i32[3,2]",
    { answers: { findBadPage: 6, readI32: 77 } },
    "readI32 e+12",
    { at: 6, value: 77 },
  ],
  [
    "pagedAttention f32[3,4,8] f32[6,16,2,8] f32[6,16,2,8] i32[2,3] i32[3,2]",
    { answers: { findBadPage: 14, readI32: 1 } },
    "readI32 d+20",
    { at: 14, value: 1 },
  ],
  [
    "pagedAttention f32[3,4,8] f32[6,16,2,8] f32[6,16,2,8] i32[2,3] i32[3,2]",
    { answers: { findBadPage: 7, readI32: 1 } },
    "readI32 d+12",
    { at: 7, value: 1 },
  ],
  [
    "pagedWrite f32[6,16,2,8] f32[3,2,8] i32[3]",
    { answers: { findBadId: 1, readI32: 96 } },
    "readI32 c+4",
    { at: 1, value: 96 },
  ],
  [
    "gather f32[3,4] i32[3,2]",
    { params: { dim: 1 }, answers: { gather: (x) => (x % 2 ** 24 === 16 ? 1 : -1), readI32: 77 } },
    "gather a+32 b+16 out+16 2 0 1 4",
    { at: 3, value: 77 },
  ],
  [
    "scatterAdd f32[3,2] i32[3,2]",
    { params: { dim: 1, shape: [3, 4] }, answers: { scatterAdd: (x) => (x % 2 ** 24 === 8 ? 1 : -1), readI32: 77 } },
    "scatterAdd a+16 b+16 out+32 2 0 1 4",
    { at: 3, value: 77 },
  ],
  [
    "pagedAttention f32[3,4,8] f32[6,16,2,8] f32[6,16,2,8] i32[2,3] i32[3,2]",
    { answers: { findBadPage: 5, readI32: 1 } },
    "readI32 e+8",
    { at: 5, value: 1 },
  ],
];

test.each(faults)("the fault of %s, with %o", (inputs, options, last, fault) => {
  const { calls, ...rest } = recordedCalls(inputs, options);
  expect([calls.at(-1), rest.fault]).toEqual([last, fault]);
});
