import * as core from "@lowrank/core";
import * as nn from "@lowrank/nn";
import { expect, test } from "vitest";
import * as lowrank from "./index.ts";

/** Values that packages export for each other, and that `lowrank` does not export. */
const shared = {
  core: [
    ...[
      "adam8bitBlockSize",
      "adagradStep",
      "adamStep",
      "adamStep8bit",
      "lionStep",
      "rmspropStep",
      "sgdStep",
      "addInto",
    ],
    ...["scaleInPlace", "clipToNorm", "gradNorm", "argmaxTokens", "keptTokens", "sampleToken", "sampleTokens"],
    ...["samplingKeys", "tokenProbabilities", "checkLogits", "attentionBackward", "avgPool2dBackward"],
    ...["crossEntropyBackward", "embeddingBackward", "gegluBackward", "geluBackward", "geluTanhBackward"],
    ...["layerNormBackward", "layerNormWeightBackward", "logSoftmaxBackward", "rmsNormBackward"],
    ...["rmsNormWeightBackward", "siluBackward", "softmaxBackward", "swigluBackward", "avgPoolKeys", "convKeys"],
    ...["maxPoolKeys", "cacheWrite", "doraLinear", "doraNorm", "rowSquares", "linearInt8", "loraLinear", "place"],
    "powScalar",
    ...["InputTable", "lowRankRows", "pagedAttention", "pagedWrite", "documentAttention"],
    ...["documentAttentionBackward", "documentMask", "checkPrecision", "productPrecision"],
    ...[
      "triangle",
      "widen",
      "bytesOf",
      "canQuantizeAs",
      "checkDType",
      "checkFinite",
      "checkOptions",
      "fromParts",
      "firstNonFinite",
    ],
    ...[
      "readF16",
      "hasIntegerCodes",
      "enableInt8Activations",
      "linearWithInt8Activations",
      "supportsInt8Activations",
      "inspectAsText",
      "moveTensors",
      "expressionCost",
      "nearestName",
      "onRecompute",
      "overwriteBytes",
      "packedTensor",
    ],
    ...["philox", "pythonFloat", "quantizeAs", "toCamelCase", "yieldToEventLoop", "unknownOption", "viewAs"],
  ],
  nn: [
    ...["earlierRows", "layerCaches", "layersToSkip", "linearLayer", "packWeight", "PackedDocuments", "PagedBatch"],
    "stopAtPadding",
  ],
};

test.each(Object.entries({ core, nn }))("every value of %s is public or named above", (name, exported) => {
  const own = shared[name as keyof typeof shared];
  const missing = Object.keys(exported).filter((key) => !(key in lowrank) && !own.includes(key));
  expect(missing, `export them in packages/lowrank/src/index.ts, or name them here`).toEqual([]);
  expect(own.filter((key) => !(key in exported) || key in lowrank)).toEqual([]);
});
