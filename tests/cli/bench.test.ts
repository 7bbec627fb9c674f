import { readdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { describe, expect, it } from 'vitest'
import { parseLayers } from '../../bench/cases.js'
import { LAYERS } from '../../bench/short.js'
import { commandIn, expectFailed } from '../support/cli.js'
import { root } from '../support/package.js'

const filterbank = commandIn(() => root)

describe('filterbank bench', () => {
  it('takes layers of the whole bench, by their names there', () => {
    const folder = join(root, 'bench/shapes')
    const all = parseLayers(
      readdirSync(folder)
        .map((file) => readFileSync(join(folder, file), 'utf8'))
        .join('\n'),
    )
    for (const { line, names } of parseLayers(LAYERS))
      expect(all.find((other) => other.line === line)?.names).toContain(names[0])
  })

  it('measures the peak and a layer', async () => {
    const { code, out, err } = await filterbank('bench', '--only', 'resnext50')
    expect({ code, err }).toEqual({ code: 0, err: '' })
    expect(out).toMatch(/Peak of one thread: [\d.]+ GFLOP\/s/)
    expect(out).toMatch(/\nresnext50 stage3 +grouped +\w+ +[\d.]+ +[\d.]+ GFLOP\/s +\d+ %\n/)
  })

  it('gives its numbers as JSON, also of two threads', async () => {
    const { peak, rows } = JSON.parse(
      (await filterbank('bench', '--only', 'pooling', '--threads', '2', '--json')).out,
    )
    expect(peak).toBeGreaterThan(0)
    expect(rows.length).toBe(1)
    expect(Object.keys(rows[0].results)).toEqual(['filterbank', 'filterbank 2 threads'])
    expect(rows[0].results['filterbank'].ms).toBeGreaterThan(0)
  })

  it('says what is wrong with the command line', async () => {
    expectFailed(await filterbank('bench', 'me'), 2, "'me'")
    expectFailed(await filterbank('bench', '--only', 'quantum'), 2, "'quantum'")
    expectFailed(await filterbank('bench', '--simd', 'avx'), 2, 'simd128, relaxed or wide', "'avx'")
    expectFailed(await filterbank('bench', '--threads', 'many'), 2, "'many'")
  })
})
