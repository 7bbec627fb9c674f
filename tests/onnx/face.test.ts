/** The face detector's example on a photo, where the data is present. */
import { execFileSync, spawnSync } from 'node:child_process'
import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { PNG } from 'pngjs'
import { describe, expect, it } from 'vitest'
import { shared } from '../support/outside.js'
import { root, temporaryFolder } from '../support/package.js'

const MODEL = shared('models/ultraface_rfb320_simplified/model.onnx')
const PHOTO = shared('images/astronaut.png')

it('says how examples/face.mjs is used', () => {
  const { status, stdout, stderr } = spawnSync(process.execPath, [join(root, 'examples/face.mjs')], {
    encoding: 'utf8',
  })
  expect({ status, stdout }).toEqual({ status: 1, stdout: '' })
  expect(stderr).toMatch(/^Usage: node examples\/face.mjs [^\n]*\n$/)
})

describe.skipIf(!MODEL || !PHOTO)(`examples/face.mjs with ${MODEL ?? 'no model'}`, () => {
  it('finds the face of the astronaut, and nothing else', () => {
    using folder = temporaryFolder()
    const drawn = join(folder.path, 'face.png')
    const output = execFileSync(process.execPath, [join(root, 'examples/face.mjs'), MODEL!, PHOTO!, drawn], {
      encoding: 'utf8',
    })
    const [, ...box] = /^face [\d.]+ % at (\d+),(\d+) to (\d+),(\d+)\n$/.exec(output)!.map(Number)
    // From ear to ear, from the hair to the chin.
    for (const [i, side] of [179, 63, 269, 173].entries())
      expect(Math.abs(box[i]! - side), output).toBeLessThan(15)
    const { data, width } = PNG.sync.read(readFileSync(drawn))
    const at = (box[1]! * width + box[0]!) * 4
    expect([...data.subarray(at, at + 3)]).toEqual([255, 221, 0])
  })
})
