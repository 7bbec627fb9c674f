import { describe, expect, it } from 'vitest'
import { progress } from '../../src/cli/progress.js'
import { middle, resample } from '../../src/cli/resample.js'
import { type Column, short, table } from '../../src/cli/table.js'

describe('a table', () => {
  const columns: Column[] = [
    { head: 'layer', kind: 'text' },
    { head: 'ms', kind: 'number' },
  ]

  it('has columns as wide as they must be', () => {
    expect(table(columns, [['conv1', '1.5'], '-', ['all', '10.25']], undefined)).toBe(
      ['layer     ms', '------------', 'conv1    1.5', '------------', 'all    10.25'].join('\n'),
    )
  })

  it('wraps texts, not numbers, and says all that there was', () => {
    const name = 'features/stage1/BatchNormalization_0'
    const lines = table(columns, [[name, '1234.5']], 30).split('\n')
    for (const line of lines) expect(line.length).toBeLessThanOrEqual(30)
    expect(lines.length).toBe(4)
    expect(lines[2]).toMatch(/^features\/stage1\/Batch +1234\.5$/)
    expect(
      lines
        .slice(2)
        .map((line) => line.slice(0, 22).trim())
        .join(''),
    ).toBe(name)
    // Too narrow for anything: as narrow as it gets.
    expect(table(columns, [[name, '1234.5']], 3).split('\n')[1]!.length).toBe(8 + 2 + 6)
  })

  it('shortens numbers', () => {
    expect([0, 999, 1000, 2359296, 19.6e9, 5e15].map(short)).toEqual([
      '0',
      '999',
      '1.00 K',
      '2.36 M',
      '19.6 G',
      '5.00e+3 T',
    ])
  })
})

describe('progress', () => {
  const terminal = (isTTY: boolean) => {
    const written: string[] = []
    return { isTTY, columns: 60, written, write: (text: string) => written.push(text) }
  }
  const slow = () => new Promise((resolve) => setTimeout(resolve, 320))

  it('shows what is slow, on a terminal', async () => {
    const on = terminal(true)
    {
      using line = progress('reading a model', on)
      line.at(0.1)
      expect(on.written).toEqual([])
      await slow()
      line.at(0.5, '12 MB')
      line.at(0.6)
    }
    expect(on.written).toEqual(['\r\x1b[Kreading a model [============            ] 50 % 12 MB', '\r\x1b[K'])
  })

  it('says nothing elsewhere, and nothing of what is done at once', async () => {
    const [pipe, quick] = [terminal(false), terminal(true)]
    {
      using line = progress('reading', pipe)
      await slow()
      line.at(0.5)
    }
    {
      using line = progress('reading', quick)
      line.at(1)
    }
    expect([...pipe.written, ...quick.written]).toEqual([])
  })
})

describe('a picture at another size', () => {
  const gray = (values: number[], width: number) => ({
    data: Uint8ClampedArray.from(values.flatMap((v) => [v, v, v, 255])),
    width,
    height: values.length / width,
  })
  const levels = ({ data }: { data: ArrayLike<number> }) =>
    Array.from({ length: data.length / 4 }, (_, i) => data[i * 4])

  it('is itself at its own', () => {
    const picture = gray([1, 2, 3, 4, 5, 6], 3)
    expect(resample(picture, 3, 2)).toEqual(picture)
  })

  it('grows by lines between its pixels', () => {
    expect(levels(resample(gray([0, 100], 2), 4, 1))).toEqual([0, 25, 75, 100])
  })

  it('shrinks by means: stripes turn gray, not into other stripes', () => {
    const stripes = gray(
      Array.from({ length: 64 * 4 }, (_, i) => (i % 2) * 200),
      64,
    )
    for (const level of levels(resample(stripes, 20, 2)).slice(2, 18))
      expect(Math.abs(level! - 100)).toBeLessThan(12)
  })

  it('gives its middle', () => {
    expect(levels(middle(gray([1, 2, 3, 4, 5, 6, 7, 8], 4), 7, 7))).toEqual([2, 3, 6, 7])
    expect(middle(gray([1, 2, 3, 4, 5, 6, 7, 8], 4), 4, 1)).toMatchObject({ width: 4, height: 1 })
  })
})
