import { f32ToF16, type Generator, packedTensor } from "@lowrank/core";
import { type ParameterSource, randomParameters } from "@lowrank/models";
import { Parameter } from "@lowrank/nn";

/** A block of Q4_1: 32 weights in 20 bytes, with two bytes for the scale and two for the minimum. */
const [blockWeights, blockBytes] = [32, 20];

/** Scale and minimum with which codes 0..15 represent values around 0 with standard deviation 0.02. */
const [scale, minimum] = [0.00434, -0.0325];

/** Like `randomParameters`, but the weights of linear layers are Q4_1 with uniformly random codes. */
export function randomQ4_1(generator: Generator): ParameterSource {
  const plain = randomParameters(generator);
  const ends = new Uint16Array(2);
  f32ToF16(Float32Array.of(scale, minimum), ends);
  return (name, shape, init) => {
    const [rows, columns] = shape;
    if (columns === undefined || name.includes("embed")) return plain(name, shape, init);
    const words = new Int32Array((rows! * columns * blockBytes) / blockWeights / 4);
    generator.fillInt(words, -(2 ** 31), 2 ** 31);
    const head = new Int32Array(ends.buffer)[0]!;
    for (let at = 0; at < words.length; at += blockBytes / 4) words[at] = head;
    using packed = packedTensor(new Uint8Array(words.buffer), { shape, dtype: "q4_1" });
    return new Parameter(packed);
  };
}
