// The functions of @huggingface/hub that are used. In the published package, tools/build/bundleHub.ts replaces this
// file by a bundle of them that runs in Node and in pages.
export { downloadFile, listFiles, modelInfo } from "@huggingface/hub";
