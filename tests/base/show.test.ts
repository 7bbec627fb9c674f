/** Values as error messages write them. */
import { expect, it } from 'vitest'
import { show } from '../../src/base/errors.js'

it('show writes any value in one short line', () => {
  class Own {}
  const circular: unknown[] = []
  circular.push(circular)
  const { proxy, revoke } = Proxy.revocable({}, {})
  revoke()
  const shown: [unknown, string][] = [
    ['a "b"\nc', '"a \\"b\\"\\nc"'],
    ['x'.repeat(5000), `"${'x'.repeat(80)}"... (5000 characters)`],
    [-0, '-0'],
    [12n, '12n'],
    [Symbol('s'), 'Symbol(s)'],
    [() => 1, 'a function'],
    [[1, [2, [3, [4]]]], '[1, [2, an array of length 2]]'],
    [Array.from({ length: 100 }, (_, i) => i), '[0, 1, 2, 3, 4, 5, 6, 7, ... 100 in all]'],
    [circular, '[[an array of length 1]]'],
    [new Array(2), '[undefined, undefined]'],
    [{}, '{}'],
    [{ a: 1, 'b c': 'd' }, '{ a: 1, "b c": "d" }'],
    [{ a: 1, b: 2, c: 3, d: 4, e: 5 }, '{ a: 1, b: 2, c: 3, d: 4, ... }'],
    [Object.create(null), '{}'],
    [new Own(), 'an object (Own)'],
    [new Map(), 'an object (Map)'],
    [new Date(0), 'an object (Date)'],
    [new Float32Array(3), 'Float32Array of length 3'],
    [new DataView(new ArrayBuffer(3)), 'DataView of 3 bytes'],
    [null, 'null'],
    [proxy, 'an object that cannot be shown'],
  ]
  for (const [value, text] of shown) expect(show(value)).toBe(text)
})
