/** What tools/site.mjs puts into the page's script. */

declare module 'site:worker' {
  /** worker.ts, bundled. */
  export const source: string
}
declare module 'site:assets' {
  /** What each panel runs, by name: the files of snippets/. */
  export const snippets: Readonly<Record<string, string>>
  /** The small network that the page brings along, as ONNX. */
  export const digits: Uint8Array<ArrayBuffer>
  /** bench/peak.ts, compiled, by build. */
  export const peak: Readonly<Record<string, Uint8Array<ArrayBuffer>>>
  /** Whether peers.js stands beside the page. */
  export const peersAreHere: boolean
  export const version: string
}
