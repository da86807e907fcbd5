// The functions used from @huggingface/hub. In the published package this file is a bundle of them that runs in Node
// and in pages: see scripts/bundleHub.ts.
export { downloadFile, listFiles, modelInfo } from "@huggingface/hub";
