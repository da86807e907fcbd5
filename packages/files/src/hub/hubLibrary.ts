// The functions used from @huggingface/hub. In the published package this file is a bundle of them that runs in Node
// and in pages: see tools/build/bundleHub.ts.
export { downloadFile, listFiles, modelInfo } from "@huggingface/hub";
