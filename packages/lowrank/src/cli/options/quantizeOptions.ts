import type { QuantizationReport, QuantizeOptions } from "@lowrank/nn";
import { type Command, Option } from "commander";
import { integer } from "../argument.ts";

/** Command-line options for 4-bit weights. */
export interface QuantizeCommandOptions {
  quantType?: "nf4" | "fp4";
  quantBlockSize?: number;
  doubleQuant?: boolean;
}

/**
 * Adds the options for 4-bit weights to a command. `when` is the condition under which they apply; it begins the help
 * text of `--quant-type`.
 */
export function addQuantizeOptions(command: Command, when: string): Command {
  return command
    .addOption(
      new Option("--quant-type <type>", `${when}: nf4, made for normally distributed weights, or fp4`).choices([
        "nf4",
        "fp4",
      ]),
    )
    .option(
      "--quant-block-size <n>",
      "weights per scale, a power of two from 32 to 4096; smaller blocks are more exact and take more memory (default: 64)",
      integer(32),
    )
    .option("--double-quant", "double quantization: quantize the scales too, for 4.13 bits per weight instead of 4.5");
}

/** Returns the flags of the quantisation options that were given. */
export function givenQuantizeOptions(options: QuantizeCommandOptions): string[] {
  const names = { quantType: "--quant-type", quantBlockSize: "--quant-block-size", doubleQuant: "--double-quant" };
  return Object.entries(names).flatMap(([key, name]) =>
    options[key as keyof typeof names] === undefined ? [] : [name],
  );
}

/**
 * Converts command-line options to the `quantize` options of `loadModel`. Defaults: `nf4`, blocks of 64, no double
 * quantisation.
 */
export function toQuantizeOptions(options: QuantizeCommandOptions): QuantizeOptions {
  const { quantType = "nf4", quantBlockSize: blockSize = 64, doubleQuant = false } = options;
  return { quantType, blockSize, doubleQuant };
}

/**
 * Returns the quantisation options if --quant-type is given; otherwise undefined, which means no quantisation. Throws
 * if another quantisation option is given without --quant-type.
 */
export function quantizeToLoad(options: QuantizeCommandOptions): QuantizeOptions | undefined {
  const [first] = givenQuantizeOptions(options);
  if (first !== undefined && !options.quantType)
    throw new Error(`${first} needs --quant-type; give --quant-type nf4 or --quant-type fp4`);
  return options.quantType && toQuantizeOptions(options);
}

/** Returns the command-line flags for quantisation options of `loadModel`. */
export function quantizeWords({ quantType, blockSize, doubleQuant }: QuantizeOptions): string {
  const words = [`--quant-type ${quantType}`];
  if (blockSize !== 64) words.push(`--quant-block-size ${blockSize}`);
  if (doubleQuant) words.push("--double-quant");
  return words.join(" ");
}

const mebibytes = (bytes: number): string => `${(bytes / 2 ** 20).toFixed(1)} MiB`;

/** Returns one line about the quantised layers: count, type, block size and memory. */
export function describeQuantization(report: QuantizationReport, { quantType, blockSize }: QuantizeOptions): string {
  const layers = `${report.quantized.length} linear layers in ${quantType}, blocks of ${blockSize}`;
  return `base model: ${layers}, ${mebibytes(report.bytesAfter)} instead of ${mebibytes(report.bytesBefore)}`;
}
