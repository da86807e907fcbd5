// The functions that are used from @huggingface/hub. In the published package, this file is replaced by a bundle of
// these functions that runs in Node and in pages (see tools/build/bundleHub.ts).
export { downloadFile, listFiles, modelInfo } from "@huggingface/hub";
