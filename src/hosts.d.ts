// biome-ignore-all lint/suspicious/noEmptyInterface: they join what the host's own types say
/**
 * Names of the DOM that public types use. Where a program is compiled without the DOM's types and without
 * Node's, they stand for nothing in particular; elsewhere they add nothing.
 */
interface AbortSignal {}
interface ImageData {}
interface ReadableStream<R> {}
interface Response {}
interface URL {}
declare namespace WebAssembly {
  interface Module {}
}
interface Blob {}
interface HTMLCanvasElement {}
interface HTMLImageElement {}
interface HTMLVideoElement {}
interface ImageBitmap {}
interface OffscreenCanvas {}
interface VideoFrame {}
