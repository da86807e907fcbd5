/** Folder of the embedded model, in the layout of Hugging Face: `config.json`, `model.safetensors`, `tokenizer.json`. */
export const nanoModelFolder: URL = new URL("../model/", import.meta.url);
