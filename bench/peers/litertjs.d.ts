/**
 * What the bench uses of @litertjs/core, whose own types change WebAssembly's for a whole program: tsconfig.json
 * points here.
 */
export class Tensor {
  constructor(data: Float32Array, shape: readonly number[])
  toTypedArray(): Float32Array
  delete(): void
}
export interface CompiledModel {
  run(x: Tensor): Promise<Tensor[]>
  delete(): void
}
export function loadLiteRt(folder: string): Promise<unknown>
export function loadAndCompile(bytes: Uint8Array, options: { accelerator: 'wasm' }): Promise<CompiledModel>
