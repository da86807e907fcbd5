import { computeStage } from "../kernel/gpuFlags.ts";
import type { Shader } from "../kernel/shader.ts";
import type { LateErrors } from "../memory/lateErrors.ts";

/** A kernel as the device has it. */
export interface Pipeline {
  readonly pipeline: GPUComputePipeline;
  readonly layout: GPUBindGroupLayout;
  /** Counts layouts: bind groups of pipelines with one layout are exchangeable. */
  readonly layoutId: number;
}

interface Layout {
  readonly id: number;
  readonly bindGroup: GPUBindGroupLayout;
  readonly pipeline: GPUPipelineLayout;
}

/** Compiles kernels, each once. WebGPU tells later that one does not compile. */
export class Pipelines {
  /** True if kernels may use the operations of subgroups. */
  subgroups = false;
  readonly #device: GPUDevice;
  readonly #errors: LateErrors;
  readonly #known = new WeakMap<Shader, Pipeline>();
  readonly #layouts = new Map<string, Layout>();

  constructor(device: GPUDevice, errors: LateErrors) {
    this.#device = device;
    this.#errors = errors;
  }

  /** Returns a kernel's pipeline; compiles it if it is new. */
  get(shader: Shader): Pipeline {
    const found = this.#known.get(shader);
    if (found) return found;
    this.#device.pushErrorScope("validation");
    const { layout, descriptor, module } = this.#describe(shader);
    const pipeline = this.#device.createComputePipeline(descriptor);
    const told = this.#device.popErrorScope();
    this.#errors.watch(
      told.then((error) => error && compileError(shader, this.#textOf(shader), module, error.message)),
    );
    return this.#keep(shader, pipeline, layout);
  }

  /** Compiles a kernel, if it is new, beside other work. Rejects if it does not compile. */
  async warmUp(shader: Shader): Promise<void> {
    if (this.#known.has(shader)) return;
    this.#device.pushErrorScope("validation");
    const { layout, descriptor, module } = this.#describe(shader);
    // The pipeline's own rejection tells of it.
    this.#device.popErrorScope().catch(() => {});
    try {
      this.#keep(shader, await this.#device.createComputePipelineAsync(descriptor), layout);
    } catch (error) {
      throw await compileError(shader, this.#textOf(shader), module, (error as Error).message);
    }
  }

  #keep(shader: Shader, pipeline: GPUComputePipeline, { id, bindGroup }: Layout): Pipeline {
    const made = { pipeline, layout: bindGroup, layoutId: id };
    this.#known.set(shader, made);
    return made;
  }

  #describe(shader: Shader) {
    const layout = this.#layoutOf(shader);
    const module = this.#device.createShaderModule({ code: this.#textOf(shader), label: shader.name });
    const descriptor = { label: shader.name, layout: layout.pipeline, compute: { module, entryPoint: "main" } };
    return { layout, descriptor, module };
  }

  #textOf(shader: Shader): string {
    return this.subgroups ? shader.subgroupCode : shader.code;
  }

  #layoutOf({ writes, faults, uniformBytes }: Shader): Layout {
    const minBindingSize = Math.ceil(uniformBytes / 16) * 16;
    const key = `${writes} ${faults} ${minBindingSize}`;
    const found = this.#layouts.get(key);
    if (found) return found;
    const types = [...writes, ...(faults ? [true] : [])].map((write): GPUBufferBindingType => {
      return write ? "storage" : "read-only-storage";
    });
    const bindGroup = this.#device.createBindGroupLayout({
      entries: [
        { binding: 0, visibility: computeStage, buffer: { type: "uniform", hasDynamicOffset: true, minBindingSize } },
        ...types.map((type, i) => ({ binding: i + 1, visibility: computeStage, buffer: { type } })),
      ],
    });
    const pipeline = this.#device.createPipelineLayout({ bindGroupLayouts: [bindGroup] });
    const layout = { id: this.#layouts.size, bindGroup, pipeline };
    this.#layouts.set(key, layout);
    return layout;
  }
}

/** Returns an error that names the kernel and the place in its text. */
async function compileError({ name }: Shader, text: string, module: GPUShaderModule, message: string): Promise<Error> {
  const { messages } = await module.getCompilationInfo();
  const lines = text.split("\n");
  const places = messages
    .filter(({ type }) => type === "error")
    // Dawn goes on with all that would have been right.
    .map(({ lineNum, linePos, message: text }) => {
      return `line ${lineNum}:${linePos}: ${text.split("\n", 1)}: ${lines[lineNum - 1]?.trim()}`;
    });
  return new Error(`webgpu: the kernel "${name}" does not compile: ${places.join("; ") || message}`);
}
