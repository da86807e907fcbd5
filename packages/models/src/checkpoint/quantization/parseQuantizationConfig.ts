import type { JsonFields } from "../../config/jsonFields.ts";
import type { QuantizationConfig } from "./quantizationConfig.ts";

/** Parses `quantization_config` of a config.json. Throws for quantisation other than bitsandbytes' 4 bits. */
export function parseQuantizationConfig(fields: JsonFields): QuantizationConfig {
  fields.oneOf("quant_method", ["bitsandbytes"], "bitsandbytes");
  if (!fields.boolean("load_in_4bit", false)) {
    throw new Error(
      `${fields.where}: load_in_4bit is not true, and only 4-bit weights can be loaded; load weights that are not quantised, and quantise them with loadModel(..., { quantize: {} })`,
    );
  }
  // The storage dtype does not change the bytes of the codes, so all four are accepted.
  fields.oneOf("bnb_4bit_quant_storage", ["uint8", "float16", "bfloat16", "float32"], "uint8");
  const skipped = fields.raw("llm_int8_skip_modules") ?? [];
  if (!Array.isArray(skipped) || !skipped.every((name) => typeof name === "string")) {
    throw fields.bad("llm_int8_skip_modules", "a list of names");
  }
  return {
    quantType: fields.oneOf("bnb_4bit_quant_type", ["nf4", "fp4"], "fp4"),
    doubleQuant: fields.boolean("bnb_4bit_use_double_quant", false),
    skipModules: skipped,
  };
}
