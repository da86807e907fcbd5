/** Functions that observe and replace the WGSL of the kernels that a device compiles and runs. */
export interface Watch {
  /** Returns the WGSL to compile instead of `code`. */
  change(code: string, name: string): string;
  /** Called at each dispatch, with the kernel's original WGSL and name. */
  ran?(code: string, name: string): void;
  /** Compiled pipelines by WGSL, to share between several watched devices. */
  readonly known?: Map<string, GPUComputePipeline>;
}

interface Kernel {
  readonly code: string;
  /** The WGSL that is compiled instead of `code`. */
  readonly compiled: string;
  readonly name: string;
}

/** Returns a proxy of an object with some methods and properties replaced. */
function replaced<T extends object>(target: T, own: Partial<Record<keyof T, unknown>>): T {
  return new Proxy(target, {
    get: (_, key) => {
      if (key in own) return own[key as keyof T];
      const value = Reflect.get(target, key, target);
      return typeof value === "function" ? value.bind(target) : value;
    },
    set: (_, key, value) => Reflect.set(target, key, value, target),
  });
}

/** Returns a proxy of the device whose kernels can bind at most `bytes` of a buffer. Throws if a kernel binds more. */
export function narrowDevice(device: GPUDevice, bytes: number): GPUDevice {
  const limits = replaced(device.limits, { maxStorageBufferBindingSize: bytes });
  return replaced(device, {
    limits,
    createBindGroup: (descriptor: GPUBindGroupDescriptor) => {
      // The first binding is the uniforms' buffer with its size, so it is checked too.
      for (const { binding, resource } of descriptor.entries) {
        const { buffer, offset = 0, size } = resource as GPUBufferBinding;
        const seen = size ?? buffer.size - offset;
        if (seen > bytes) throw new Error(`binding ${binding} shows ${seen} bytes of a buffer, above ${bytes}`);
      }
      return device.createBindGroup(descriptor);
    },
  });
}

/** Returns a proxy of the device that compiles the WGSL that `watch.change` returns for each kernel. */
export function watchedDevice(device: GPUDevice, { change, ran, known }: Watch): GPUDevice {
  const modules = new WeakMap<GPUShaderModule, Kernel>();
  const pipelines = new WeakMap<GPUComputePipeline, Kernel>();
  const keep = (descriptor: GPUComputePipelineDescriptor, pipeline: GPUComputePipeline): GPUComputePipeline => {
    const kernel = modules.get(descriptor.compute.module);
    if (kernel) pipelines.set(pipeline, kernel);
    return pipeline;
  };
  const watchedPass = (pass: GPUComputePassEncoder): GPUComputePassEncoder =>
    replaced(pass, {
      setPipeline: (pipeline: GPUComputePipeline) => {
        const kernel = pipelines.get(pipeline);
        if (kernel) ran?.(kernel.code, kernel.name);
        pass.setPipeline(pipeline);
      },
    });
  return replaced(device, {
    createShaderModule: ({ code, label = "" }: GPUShaderModuleDescriptor) => {
      const compiled = change(code, label);
      const made = device.createShaderModule({ code: compiled, label });
      modules.set(made, { code, compiled, name: label });
      return made;
    },
    createComputePipeline: (descriptor: GPUComputePipelineDescriptor) => {
      const text = modules.get(descriptor.compute.module)?.compiled ?? "";
      const pipeline = known?.get(text) ?? device.createComputePipeline(descriptor);
      known?.set(text, pipeline);
      return keep(descriptor, pipeline);
    },
    createComputePipelineAsync: async (descriptor: GPUComputePipelineDescriptor) =>
      keep(descriptor, await device.createComputePipelineAsync(descriptor)),
    createCommandEncoder: (descriptor?: GPUCommandEncoderDescriptor) => {
      const encoder = device.createCommandEncoder(descriptor);
      return replaced(encoder, {
        beginComputePass: (pass?: GPUComputePassDescriptor) => watchedPass(encoder.beginComputePass(pass)),
      });
    },
  });
}
