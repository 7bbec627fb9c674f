import { describe, expect, it } from 'vitest'
import { compilerOf } from '../../src/wasm/host.js'
import { preferred, tileFor } from '../../src/wasm/load.js'

const page = (userAgent: string) => compilerOf({ navigator: { userAgent } as Navigator })
const process = (versions: Record<string, string>) =>
  compilerOf({ process: { versions } as unknown as NodeJS.Process })
const Mac = 'Mozilla/5.0 (Macintosh; Intel Mac OS X 10_15_7)'
const Blink = 'AppleWebKit/537.36 (KHTML, like Gecko)'

describe('compilerOf', () => {
  it.each([
    ['Node 22', process({ node: '22.12.0', v8: '12.4.254.21-node.21' }), { name: 'V8', version: 12.4 }],
    [
      'Electron',
      process({ node: '22.14.0', v8: '13.4.114.21-electron.0', electron: '35.0.0' }),
      { name: 'V8', version: 13.4 },
    ],
    [
      'Deno',
      process({ node: '20.11.1', v8: '13.0.245.12-rusty', deno: '2.1.14' }),
      { name: 'V8', version: 13 },
    ],
    [
      'Bun, which poses as Node',
      process({ node: '24.3.0', v8: '13.6.233.10-node.18', bun: '1.4.5' }),
      { name: 'JavaScriptCore' },
    ],
    ['Chrome', page(`${Mac} ${Blink} Chrome/124.0.0.0 Safari/537.36`), { name: 'V8', version: 12.4 }],
    [
      'headless Chrome',
      page(`${Mac} ${Blink} HeadlessChrome/156.0.0.0 Safari/537.36`),
      { name: 'V8', version: 15.6 },
    ],
    [
      'Edge',
      page(`${Mac} ${Blink} Chrome/134.0.0.0 Safari/537.36 Edg/134.0.0.0`),
      { name: 'V8', version: 13.4 },
    ],
    [
      'Safari',
      page(`${Mac} AppleWebKit/605.1.15 (KHTML, like Gecko) Version/26.0 Safari/605.1.15`),
      { name: 'JavaScriptCore' },
    ],
    [
      'Chrome on iOS',
      page(
        'Mozilla/5.0 (iPhone) AppleWebKit/605.1.15 (KHTML, like Gecko) CriOS/140.0.0.0 Mobile/15E148 Safari/604.1',
      ),
      { name: 'JavaScriptCore' },
    ],
    [
      'Firefox',
      page('Mozilla/5.0 (X11; Linux x86_64; rv:145.0) Gecko/20100101 Firefox/145.0'),
      { name: 'SpiderMonkey' },
    ],
    ['a worklet', compilerOf({}), undefined],
  ])('knows %s', (_, found, wanted) => {
    expect(found).toEqual(wanted)
  })
})

describe('tileFor', () => {
  it('takes the loop without offsets for JavaScriptCore alone', () => {
    expect(tileFor({ name: 'JavaScriptCore' })).toBe('rolled')
    for (const compiler of [
      { name: 'V8', version: 11.3 } as const,
      { name: 'SpiderMonkey' } as const,
      undefined,
    ])
      expect(tileFor(compiler)).toBe('unrolled')
  })
})

describe('preferred', () => {
  // Measured: doc/hosts.md.
  it.each([
    [11.3, 'simd128'],
    [12.4, 'simd128'],
    [12.9, 'simd128'],
    [13, 'simd128'],
    [13.4, 'relaxed'],
    [13.6, 'relaxed'],
    [15.6, 'relaxed'],
  ])('V8 %d: %s', (version, build) => {
    const choice = preferred({ name: 'V8', version })
    expect(choice.build).toBe(build)
    if (build === 'simd128') expect(choice.reason).toContain(`V8 ${version.toFixed(1)}`)
  })

  it('takes the relaxed build of whoever else has it', () => {
    for (const compiler of [
      { name: 'JavaScriptCore' } as const,
      { name: 'SpiderMonkey' } as const,
      undefined,
    ])
      expect(preferred(compiler).build).toBe('relaxed')
  })
})
